// PALM, the wire of pylm: its services and connections as kinds.
#include <backplane/plugin.hpp>

#include "cache.hpp"
#include "calling.hpp"
#include "etcd.hpp"
#include "gateway.hpp"
#include "http_connection.hpp"
#include "http_service.hpp"
#include "inbound.hpp"
#include "outbound.hpp"
#include "workers.hpp"

using namespace backplane::palm;

BACKPLANE_PLUGIN("palm", "0.1.0", Pull, WorkerPull, Sub, Rep, Push, WorkerPush, Pub, PushPull, Calling, Cache,
                 HttpService, WebWorker, HttpConnection, GatewayRouter, GatewayDealer, HttpGateway,
                 EtcdPoller, Etcd)
