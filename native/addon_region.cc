// Node-API's side of regions and of the checksum: what src/native.ts declares of them.
#include <cmath>
#include <string>
#include <utility>

#include "addon.h"
#include "checksum.h"

namespace hotspare {
namespace {

constexpr double kPageBytes = 4096;

Napi::ArrayBuffer expose(Napi::Env env, OpenRegion* open, uint8_t* bytes, size_t length) {
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, bytes, length);
  open->buffers.push_back(Napi::Reference<Napi::ArrayBuffer>::New(buffer, 1));
  return buffer;
}

Napi::Value regionOpen(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  Arguments arguments(call);
  RegionOptions options;
  const double head = arguments.field(0, "headBytes", kPageBytes, 4 * kGiB - kPageBytes);
  const double pages = arguments.field(0, "pagesBytes", 0, kSafeIntegerMax / 2);
  const double segment = arguments.field(0, "segmentBytes", kPageBytes, kGiB);
  options.file = arguments.textOrNull(0, "file");
  options.discard = arguments.flag(0, "discard");
  options.lockMemory = arguments.flag(0, "lockMemory");
  options.hugePages = arguments.flag(0, "hugePages");
  arguments.require(std::fmod(head, kPageBytes) == 0, "headBytes", "must be a multiple of 4096");
  arguments.require(std::fmod(pages, kPageBytes) == 0, "pagesBytes", "must be a multiple of 4096");
  const auto step = static_cast<size_t>(segment);
  arguments.require((step & (step - 1)) == 0, "segmentBytes", "must be a power of two");
  if (!arguments.good()) return env.Undefined();
  options.headBytes = static_cast<size_t>(head);
  options.pagesBytes = static_cast<size_t>(pages);

  Failure failure;
  OpenRegion open{Region::open(options, &failure), {}};
  if (failure) return failureOf(env, failure);
  uint8_t* bytes = open.region->bytes();
  Napi::Object object = Napi::Object::New(env);
  object["head"] = expose(env, &open, bytes, options.headBytes);
  Napi::Array segments = Napi::Array::New(env);
  for (size_t at = 0; at < options.pagesBytes; at += step) {
    const size_t length = std::min(step, options.pagesBytes - at);
    segments[segments.Length()] = expose(env, &open, bytes + options.headBytes + at, length);
  }
  object["segments"] = segments;
  object["created"] = Napi::Boolean::New(env, open.region->created());
  auto* instance = env.GetInstanceData<Instance>();
  object["id"] = Napi::Number::New(env, static_cast<double>(instance->regions.size()));
  instance->regions.push_back(std::move(open));
  return object;
}

Napi::Value regionTrustOwner(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const auto user = static_cast<unsigned int>(arguments.number(0, "user", 0, 4294967295.0));
  if (arguments.good()) trustOwner(user);
  return call.Env().Undefined();
}

Napi::Value regionClose(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  OpenRegion* open = regionOf(call, &arguments);
  if (open == nullptr) return call.Env().Undefined();
  for (auto& buffer : open->buffers) buffer.Value().Detach();
  open->buffers.clear();
  open->region.reset();
  return call.Env().Undefined();
}

Napi::Value regionSync(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const OpenRegion* open = regionOf(call, &arguments);
  if (open == nullptr) return call.Env().Undefined();
  const Failure failure = open->region->sync();
  return failure ? failureOf(call.Env(), failure) : call.Env().Null();
}

Napi::Value regionApply(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const OpenRegion* open = regionOf(call, &arguments);
  size_t length = 0;
  const uint8_t* bytes = arguments.bytes(1, &length);
  if (!arguments.good()) return call.Env().Undefined();
  return Napi::Number::New(call.Env(), static_cast<double>(open->region->apply(bytes, length)));
}

Napi::Value checksum(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  size_t length = 0;
  const uint8_t* bytes = arguments.bytes(0, &length);
  const auto seed = static_cast<uint32_t>(arguments.number(3, "seed", 0, 4294967295.0));
  if (!arguments.good()) return call.Env().Undefined();
  return Napi::Number::New(call.Env(), crc32c(bytes, length, seed));
}

}  // namespace

void exportRegion(Napi::Env env, Napi::Object exports) {
  exports["regionOpen"] = Napi::Function::New<regionOpen>(env, "regionOpen");
  exports["regionTrustOwner"] = Napi::Function::New<regionTrustOwner>(env, "regionTrustOwner");
  exports["regionClose"] = Napi::Function::New<regionClose>(env, "regionClose");
  exports["regionSync"] = Napi::Function::New<regionSync>(env, "regionSync");
  exports["regionApply"] = Napi::Function::New<regionApply>(env, "regionApply");
  exports["crc32c"] = Napi::Function::New<checksum>(env, "crc32c");
}

}  // namespace hotspare
