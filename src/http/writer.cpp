#include "mcplb/http/writer.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>

namespace mcplb::http {
namespace {

constexpr std::size_t hex_digits_max = 16;  // of a 64-bit chunk size

void append_number(std::string& out, std::uint64_t value) {
  std::array<char, 20> digits{};
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  static_cast<void>(error);  // twenty digits hold any 64-bit number
  out.append(digits.data(), end);
}

// "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" (RFC 9110 §5.6.7). Written by hand because strftime
// spells the names as the locale wants.
class DateLine {
 public:
  void format(std::time_t second) {
    static constexpr char days[] = "SunMonTueWedThuFriSat";
    static constexpr char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    std::tm utc{};
    gmtime_r(&second, &utc);
    put(6, {days + static_cast<std::size_t>(utc.tm_wday) * 3, 3});
    put_digits(11, utc.tm_mday, 2);
    put(14, {months + static_cast<std::size_t>(utc.tm_mon) * 3, 3});
    put_digits(18, utc.tm_year + 1900, 4);
    put_digits(23, utc.tm_hour, 2);
    put_digits(26, utc.tm_min, 2);
    put_digits(29, utc.tm_sec, 2);
  }
  std::string_view text() const { return {text_.data(), text_.size() - 1}; }

 private:
  void put(std::size_t at, std::string_view part) { part.copy(text_.data() + at, part.size()); }
  void put_digits(std::size_t at, int value, std::size_t width) {
    for (std::size_t i = width; i > 0; --i) {
      text_[at + i - 1] = static_cast<char>('0' + value % 10);
      value /= 10;
    }
  }

  std::array<char, 38> text_ = std::to_array("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
};

struct Reason {
  int status;
  std::string_view phrase;
};

// In ascending order, for a binary search.
constexpr std::array reasons{
    Reason{100, "Continue"},
    Reason{101, "Switching Protocols"},
    Reason{102, "Processing"},
    Reason{103, "Early Hints"},
    Reason{200, "OK"},
    Reason{201, "Created"},
    Reason{202, "Accepted"},
    Reason{203, "Non-Authoritative Information"},
    Reason{204, "No Content"},
    Reason{205, "Reset Content"},
    Reason{206, "Partial Content"},
    Reason{300, "Multiple Choices"},
    Reason{301, "Moved Permanently"},
    Reason{302, "Found"},
    Reason{303, "See Other"},
    Reason{304, "Not Modified"},
    Reason{307, "Temporary Redirect"},
    Reason{308, "Permanent Redirect"},
    Reason{400, "Bad Request"},
    Reason{401, "Unauthorized"},
    Reason{402, "Payment Required"},
    Reason{403, "Forbidden"},
    Reason{404, "Not Found"},
    Reason{405, "Method Not Allowed"},
    Reason{406, "Not Acceptable"},
    Reason{407, "Proxy Authentication Required"},
    Reason{408, "Request Timeout"},
    Reason{409, "Conflict"},
    Reason{410, "Gone"},
    Reason{411, "Length Required"},
    Reason{412, "Precondition Failed"},
    Reason{413, "Content Too Large"},
    Reason{414, "URI Too Long"},
    Reason{415, "Unsupported Media Type"},
    Reason{416, "Range Not Satisfiable"},
    Reason{417, "Expectation Failed"},
    Reason{421, "Misdirected Request"},
    Reason{422, "Unprocessable Content"},
    Reason{425, "Too Early"},
    Reason{426, "Upgrade Required"},
    Reason{428, "Precondition Required"},
    Reason{429, "Too Many Requests"},
    Reason{431, "Request Header Fields Too Large"},
    Reason{451, "Unavailable For Legal Reasons"},
    Reason{500, "Internal Server Error"},
    Reason{501, "Not Implemented"},
    Reason{502, "Bad Gateway"},
    Reason{503, "Service Unavailable"},
    Reason{504, "Gateway Timeout"},
    Reason{505, "HTTP Version Not Supported"},
    Reason{508, "Loop Detected"},
    Reason{511, "Network Authentication Required"},
};

}  // namespace

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name);
  out.append(": ");
  out.append(value);
  out.append("\r\n");
}

void append_field(std::string& out, std::string_view name, std::uint64_t value) {
  out.append(name);
  out.append(": ");
  append_number(out, value);
  out.append("\r\n");
}

void append_status_line(std::string& out, int minor_version, int status, std::string_view reason) {
  out.append(minor_version == 0 ? "HTTP/1.0 " : "HTTP/1.1 ");
  append_number(out, static_cast<std::uint64_t>(status));
  out.push_back(' ');  // stands also before an empty reason (RFC 9112 §4)
  out.append(reason);
  out.append("\r\n");
}

void append_date(std::string& out) {
  thread_local DateLine line;
  thread_local std::time_t formatted = -1;
  const std::time_t now = std::time(nullptr);
  if (now != formatted) {
    line.format(now);
    formatted = now;
  }
  out.append(line.text());
}

std::string_view reason_phrase(int status) {
  const auto found =
      std::lower_bound(reasons.begin(), reasons.end(), status,
                       [](const Reason& reason, int wanted) { return reason.status < wanted; });
  return found != reasons.end() && found->status == status ? found->phrase : std::string_view();
}

ChunkHeader::ChunkHeader(std::size_t content_bytes) : text_{}, begin_(hex_digits_max) {
  static constexpr char digits[] = "0123456789abcdef";
  text_[begin_] = '\r';
  text_[begin_ + 1] = '\n';
  do {
    text_[--begin_] = digits[content_bytes & 15];
    content_bytes >>= 4;
  } while (content_bytes != 0);
}

}  // namespace mcplb::http
