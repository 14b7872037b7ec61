// What the manifests in manifests/palm run: a plugin for PALM servers, workers and pipelines, written against
// the SDK alone.
#include "functions.hpp"
#include "hooks.hpp"

using backplane::palm::Hook;
using namespace palm_tour;

BACKPLANE_PLUGIN("palm_tour", "1.0.0", Server, Failing, Stage, Silent, Worker, Web, Hook<Triple>, Hook<Picky>,
                 Hook<Last>, Hook<EvenOdd>)
