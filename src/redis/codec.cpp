#include "redis/codec.hpp"

#include <hiredis.h>

#include <utility>
#include <vector>

#include "mcplb/base/limits.hpp"
#include "mcplb/redis/command.hpp"

namespace mcplb::redis {
namespace {

// Puts a reply where hiredis' task says: at the end of the array around it, or on its own. A
// pointer into `elements` lives long enough: the array does not grow again before its newest
// element is whole, and only then hiredis has forgotten the pointer.
Reply* place(const redisReadTask* task, Reply reply) {
  if (task->parent == nullptr) return std::make_unique<Reply>(std::move(reply)).release();
  auto& elements = static_cast<Reply*>(task->parent->obj)->elements;
  elements.push_back(std::move(reply));
  return &elements.back();
}

Reply::Type text_type(int type) {
  if (type == REDIS_REPLY_ERROR) return Reply::Type::error;
  return type == REDIS_REPLY_STATUS ? Reply::Type::status : Reply::Type::string;
}

void* create_text(const redisReadTask* task, char* text, std::size_t size) {
  Reply reply;
  reply.type = text_type(task->type);
  reply.text.assign(text, size);
  return place(task, std::move(reply));
}

void* create_integer(const redisReadTask* task, long long number) {
  Reply reply;
  reply.type = Reply::Type::integer;
  reply.integer = number;
  return place(task, std::move(reply));
}

void* create_nil(const redisReadTask* task) { return place(task, Reply{}); }

void free_reply(void* reply) { const std::unique_ptr<Reply> last(static_cast<Reply*>(reply)); }

redisReplyObjectFunctions reply_functions() {
  redisReplyObjectFunctions functions{};
  functions.createString = create_text;
  // Newer versions count elements in another type.
  functions.createArray = [](const redisReadTask* task, auto) -> void* {
    Reply reply;
    reply.type = Reply::Type::array;
    return place(task, std::move(reply));
  };
  functions.createInteger = create_integer;
  functions.createNil = create_nil;
  functions.freeObject = free_reply;
  return functions;
}

struct FreeReader {
  void operator()(redisReader* reader) const { redisReaderFree(reader); }
};

}  // namespace

struct ReplyDecoder::State {
  redisReplyObjectFunctions functions = reply_functions();  // outlives the reader
  std::unique_ptr<redisReader, FreeReader> reader{redisReaderCreateWithFunctions(&functions)};
  std::size_t begun_bytes = 0;  // fed since the last whole reply
  bool too_large = false;
};

ReplyDecoder::ReplyDecoder() : state_(std::make_unique<State>()) {
  MCPLB_ASSERT(state_->reader);
}
ReplyDecoder::~ReplyDecoder() = default;

void ReplyDecoder::feed(std::string_view bytes) {
  State& state = *state_;
  // next() tells of both.
  if (state.reader->err != 0 || state.too_large) return;
  state.begun_bytes += bytes.size();
  state.too_large = state.begun_bytes > limits::redis_reply_bytes_max;
  if (!state.too_large) redisReaderFeed(state.reader.get(), bytes.data(), bytes.size());
}

Result<std::optional<Reply>> ReplyDecoder::next() {
  State& state = *state_;
  void* whole = nullptr;
  if (redisReaderGetReply(state.reader.get(), &whole) != REDIS_OK) {
    return Error{Error::Kind::malformed, Error::Side::self, 0, "the store's bytes are no replies"};
  }
  if (whole != nullptr) {
    const std::unique_ptr<Reply> reply(static_cast<Reply*>(whole));
    state.begun_bytes = state.reader->len - state.reader->pos;
    return std::optional<Reply>(std::move(*reply));
  }
  if (!state.too_large) return std::optional<Reply>();
  return Error{Error::Kind::overloaded, Error::Side::self, 0, "reply of the store is too large"};
}

bool ReplyDecoder::empty() const { return state_->begun_bytes == 0; }

Command::Command(std::span<const std::string_view> words) {
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  for (const std::string_view word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  char* formatted = nullptr;
  const int size = redisFormatCommandArgv(&formatted, static_cast<int>(texts.size()),
                                          texts.data(), sizes.data());
  MCPLB_ASSERT(size > 0);
  bytes_.assign(formatted, static_cast<std::size_t>(size));
  redisFreeCommand(formatted);
}

}  // namespace mcplb::redis
