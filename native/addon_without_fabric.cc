// Stands in for addon_fabric.cc where libfabric's headers were missing at build time.
#include "addon.h"

namespace hotspare {
namespace {

Napi::Value absent(const Napi::CallbackInfo& call) {
  Napi::Object failure = Napi::Object::New(call.Env());
  failure["error"] = "the addon was built without libfabric's headers";
  failure["call"] = "build";
  return failure;
}

}  // namespace

void exportFabric(Napi::Env env, Napi::Object exports) {
  exports["fabricVersion"] = Napi::Function::New<absent>(env, "fabricVersion");
  exports["fabricFind"] = Napi::Function::New<absent>(env, "fabricFind");
  exports["fabricOpen"] = Napi::Function::New<absent>(env, "fabricOpen");
}

}  // namespace hotspare
