// Node-API's side of regions and of the checksum: what src/native/addon.ts declares of them.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>

#include "addon.h"
#include "aside.h"
#include "checksum.h"

namespace hotspare {
namespace {

constexpr double kPageBytes = 4096;

Napi::ArrayBuffer expose(Napi::Env env, OpenRegion* open, uint8_t* bytes, size_t length) {
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, bytes, length);
  open->buffers.push_back(Napi::Reference<Napi::ArrayBuffer>::New(buffer, 1));
  return buffer;
}

/// The options of an open; `step` is the size of a segment.
struct OpenRequest {
  RegionOptions options;
  size_t step = 0;
};

bool readRequest(Arguments* arguments, OpenRequest* request) {
  RegionOptions& options = request->options;
  const double head = arguments->field(0, "headBytes", kPageBytes, 4 * kGiB - kPageBytes);
  const double pages = arguments->field(0, "pagesBytes", 0, kSafeIntegerMax / 2);
  const double segment = arguments->field(0, "segmentBytes", kPageBytes, kGiB);
  options.file = arguments->textOrNull(0, "file");
  options.discard = arguments->flag(0, "discard");
  options.lockMemory = arguments->flag(0, "lockMemory");
  options.hugePages = arguments->flag(0, "hugePages");
  arguments->require(std::fmod(head, kPageBytes) == 0, "headBytes", "must be a multiple of 4096");
  arguments->require(std::fmod(pages, kPageBytes) == 0, "pagesBytes", "must be a multiple of 4096");
  request->step = static_cast<size_t>(segment);
  const bool isPower = (request->step & (request->step - 1)) == 0;
  arguments->require(isPower, "segmentBytes", "must be a power of two");
  options.headBytes = static_cast<size_t>(head);
  options.pagesBytes = static_cast<size_t>(pages);
  return arguments->good();
}

/// Hands an open region over to JavaScript.
Napi::Object handOver(Napi::Env env, const OpenRequest& request, std::shared_ptr<Region> region) {
  OpenRegion open{std::move(region), {}};
  const RegionOptions& options = request.options;
  uint8_t* bytes = open.region->bytes();
  Napi::Object object = Napi::Object::New(env);
  object["head"] = expose(env, &open, bytes, options.headBytes);
  Napi::Array segments = Napi::Array::New(env);
  for (size_t at = 0; at < options.pagesBytes; at += request.step) {
    const size_t length = std::min(request.step, options.pagesBytes - at);
    segments[segments.Length()] = expose(env, &open, bytes + options.headBytes + at, length);
  }
  object["segments"] = segments;
  object["created"] = Napi::Boolean::New(env, open.region->created());
  std::vector<OpenRegion>& regions = env.GetInstanceData<Instance>()->regions;
  const auto isClosed = [](const OpenRegion& one) { return one.region == nullptr; };
  auto place = std::find_if(regions.begin(), regions.end(), isClosed);
  if (place == regions.end()) place = regions.emplace(place);
  *place = std::move(open);
  object["id"] = Napi::Number::New(env, static_cast<double>(place - regions.begin()));
  return object;
}

Napi::Value regionOpen(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  OpenRequest request;
  if (!readRequest(&arguments, &request)) return call.Env().Undefined();
  Failure failure;
  std::shared_ptr<Region> region = Region::open(request.options, &failure);
  if (failure) return failureOf(call.Env(), failure);
  return handOver(call.Env(), request, std::move(region));
}

/// Work on a region that may take long, in a thread of its own; the loop is told the result.
struct Task {
  OpenRequest request;
  std::shared_ptr<Region> region;  // null: it is to be opened
  Failure failure;
  Napi::ThreadSafeFunction done;
};

void tell(Napi::Env env, Napi::Function callback, Task* task) {
  const bool opens = task->request.step != 0;
  Napi::Value result = env.Null();
  if (task->failure) {
    result = failureOf(env, task->failure);
  } else if (opens) {
    result = handOver(env, task->request, std::move(task->region));
  }
  delete task;
  callback.Call({result});
}

void work(void* argument) {
  auto* task = static_cast<Task*>(argument);
  if (task->region == nullptr) {
    task->region = Region::open(task->request.options, &task->failure);
  } else {
    task->failure = task->region->wipe();
  }
  // `tell` deletes the task.
  Napi::ThreadSafeFunction done = task->done;
  if (done.NonBlockingCall(task, tell) == napi_ok) done.Release();
}

void begin(const Napi::CallbackInfo& call, std::unique_ptr<Task> task) {
  const auto callback = call[1].As<Napi::Function>();
  task->done = Napi::ThreadSafeFunction::New(call.Env(), callback, "region", 0, 1);
  runAside(work, task.release());
}

Napi::Value regionOpenLater(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  auto task = std::make_unique<Task>();
  arguments.require(call[1].IsFunction(), "done", "must be a function");
  if (readRequest(&arguments, &task->request)) begin(call, std::move(task));
  return call.Env().Undefined();
}

Napi::Value regionWipeLater(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const OpenRegion* open = regionOf(call, &arguments);
  arguments.require(call[1].IsFunction(), "done", "must be a function");
  if (!arguments.good()) return call.Env().Undefined();
  auto task = std::make_unique<Task>();
  task->region = open->region;
  begin(call, std::move(task));
  return call.Env().Undefined();
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

Napi::Value regionScan(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  Arguments arguments(call);
  const OpenRegion* open = regionOf(call, &arguments);
  if (open == nullptr) return env.Undefined();
  const auto length = static_cast<double>(open->region->length());
  const double end = arguments.number(2, "end", 0, length);
  const double offset = arguments.number(1, "offset", 0, end);
  const double longest = arguments.number(3, "longest", kPageBytes, kGiB);
  const double budget = arguments.number(4, "budget", kPageBytes, kGiB);
  arguments.require(std::fmod(offset, kPageBytes) == 0, "offset", "must be a multiple of 4096");
  if (!arguments.good()) return env.Undefined();
  const Scanned scanned =
      open->region->scan(static_cast<uint64_t>(offset), static_cast<uint64_t>(end),
                         static_cast<uint64_t>(longest), static_cast<uint64_t>(budget));
  Napi::Object object = Napi::Object::New(env);
  object["at"] = Napi::Number::New(env, static_cast<double>(scanned.at));
  object["length"] = Napi::Number::New(env, static_cast<double>(scanned.length));
  object["looked"] = Napi::Number::New(env, static_cast<double>(scanned.looked));
  return object;
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
  exports["regionOpenLater"] = Napi::Function::New<regionOpenLater>(env, "regionOpenLater");
  exports["regionWipeLater"] = Napi::Function::New<regionWipeLater>(env, "regionWipeLater");
  exports["regionTrustOwner"] = Napi::Function::New<regionTrustOwner>(env, "regionTrustOwner");
  exports["regionClose"] = Napi::Function::New<regionClose>(env, "regionClose");
  exports["regionSync"] = Napi::Function::New<regionSync>(env, "regionSync");
  exports["regionApply"] = Napi::Function::New<regionApply>(env, "regionApply");
  exports["regionScan"] = Napi::Function::New<regionScan>(env, "regionScan");
  exports["crc32c"] = Napi::Function::New<checksum>(env, "crc32c");
}

}  // namespace hotspare
