// Node-API's side: what src/native/addon.ts and src/native/fabric.ts declare ends in addon_*.cc,
// which check and convert arguments. Only addon*.h include napi.h.
#include "addon.h"

static Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new hotspare::Instance());
  hotspare::exportRegion(env, exports);
  hotspare::exportTransport(env, exports);
  hotspare::exportCipher(env, exports);
  hotspare::exportFabric(env, exports);
  hotspare::exportProcess(env, exports);
  return exports;
}

NODE_API_MODULE(hotspare, initialize)
