#include "mcplb/http/body.hpp"

#include "http/chunked_decoder.hpp"

namespace mcplb::http {

BodyDecoder::BodyDecoder() = default;
BodyDecoder::~BodyDecoder() = default;

void BodyDecoder::start(Framing framing, std::uint64_t content_length, Error::Side side) {
  framing_ = framing;
  side_ = side;
  left_ = content_length;
  done_ = framing == Framing::none || (framing == Framing::length && content_length == 0);
  if (framing != Framing::chunked) return;
  if (!chunked_) chunked_ = std::make_unique<ChunkedDecoder>();
  chunked_->start(side);
}

Result<BodyDecoder::Step> BodyDecoder::decode(char* data, std::size_t size) {
  if (done_) return Step{};
  if (framing_ == Framing::chunked) {
    auto step = chunked_->decode(data, size);
    done_ = chunked_->done();
    return step;
  }
  if (framing_ == Framing::until_close) return Step{{data, size}, size};
  const std::size_t taken = left_ < size ? static_cast<std::size_t>(left_) : size;
  left_ -= taken;
  done_ = left_ == 0;
  return Step{{data, taken}, taken};
}

Result<void> BodyDecoder::end_of_input() {
  if (framing_ == Framing::until_close) done_ = true;
  if (done_) return {};
  return Error{Error::Kind::closed, side_, 0, "connection ended within a body"};
}

std::uint64_t BodyDecoder::announced() const {
  return framing_ == Framing::chunked ? chunked_->announced() : left_;
}

std::string_view BodyDecoder::trailers() const {
  return framing_ == Framing::chunked ? chunked_->trailers() : std::string_view();
}

}  // namespace mcplb::http
