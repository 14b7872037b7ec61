// PALM, the wire of pylm: its services and connections as kinds, its client for commands.
#include <backplane/plugin.hpp>

#include "cache.hpp"
#include "caller.hpp"
#include "calling.hpp"
#include "client.hpp"
#include "etcd.hpp"
#include "gateway.hpp"
#include "http_connection.hpp"
#include "http_service.hpp"
#include "inbound.hpp"
#include "outbound.hpp"
#include "worker.hpp"
#include "workers.hpp"

using namespace backplane::palm;

BACKPLANE_PLUGIN("palm", "0.1.0", Pull, WorkerPull, Sub, Rep, Push, WorkerPush, Pub, PushPull, Calling, Cache,
                 Worker, Asker, HttpService, WebWorker, HttpConnection, GatewayRouter, GatewayDealer,
                 HttpGateway, EtcdPoller, Etcd, CallingClient)
