#include "mcplb/mcp/sse.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace mcplb::mcp {
namespace {

std::string with_line_end(std::string_view text, std::string_view line_end) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += line_end;
    } else {
      out += c;
    }
  }
  return out;
}

constexpr std::string_view line_ends[] = {"\n", "\r", "\r\n"};

std::string_view data_of(std::string_view stream, const EndpointEvent& event) {
  return stream.substr(event.data_begin, event.data_size);
}

std::vector<std::string> data_of_events(std::string_view stream, std::size_t at_once) {
  std::vector<std::string> events;
  SseDataReader reader(1000);
  while (!stream.empty()) {
    std::string_view piece = stream.substr(0, at_once);
    stream.remove_prefix(piece.size());
    while (!piece.empty()) {
      piece.remove_prefix(reader.feed(piece));
      if (reader.has_event()) events.push_back(reader.data());
    }
  }
  return events;
}

}  // namespace

TEST_SUITE("mcp/sse") {
  TEST_CASE("a stream begins at a boundary") {
    SseScanner scanner;
    CHECK(scanner.at_boundary());
    scanner.feed("");
    CHECK(scanner.at_boundary());
    CHECK(scanner.events() == 0);
  }

  TEST_CASE("only an empty line, or a comment before any field, leaves a stream at a boundary") {
    struct Row {
      std::string_view text;
      bool at_boundary;
      std::uint64_t events;
    };
    const Row rows[] = {
        {"d", false, 0},
        {"data: x", false, 0},
        {"data: x\n", false, 0},
        {"data: x\n\n", true, 1},
        {"data: x\n\n\n\n", true, 1},
        {"data:\n\n", true, 1},
        {"id: 1\nretry: 5\ndata:\n\ndata: x\n\n", true, 2},
        {"data: a\ndata: b\n", false, 0},
        {"data: a\n: comment\n", false, 0},
        {"data: a\n: comment\n\n", true, 1},
        {":", false, 0},
        {": keepalive", false, 0},
        {": keepalive\n", true, 0},
        {": keepalive\n\n", true, 0},
        {":\n\ndata: x\n\n: y", false, 1},
        {"\n", true, 0},
        {"\n\n\n", true, 0},
        {"unknown\n\n", true, 1},
        {" \n", false, 0},
    };
    for (const Row& row : rows) {
      for (const std::string_view line_end : line_ends) {
        const std::string text = with_line_end(row.text, line_end);
        CAPTURE(text);
        SseScanner scanner;
        scanner.feed(text);
        CHECK(scanner.at_boundary() == row.at_boundary);
        CHECK(scanner.events() == row.events);
      }
    }
  }

  TEST_CASE("a line feed after a carriage return ends nothing, even in a read of its own") {
    SseScanner scanner;
    scanner.feed("data: x\r");
    CHECK(!scanner.at_boundary());
    scanner.feed("\n");
    CHECK(!scanner.at_boundary());
    scanner.feed("\r");
    CHECK(scanner.at_boundary());
    CHECK(scanner.events() == 1);
    scanner.feed("\n");
    CHECK(scanner.at_boundary());
    CHECK(scanner.events() == 1);
  }

  TEST_CASE("how a stream is cut into reads changes nothing") {
    const std::string_view text =
        ": hello\n\nevent: message\ndata: {\"a\":1}\n\nid: s8-0\nretry: 500\ndata:\n\n\n"
        "data: 1\ndata: 2\n: in between\n\n";
    for (const std::string_view line_end : line_ends) {
      const std::string stream = with_line_end(text, line_end);
      SseScanner bytewise;
      for (std::size_t size = 0; size <= stream.size(); ++size) {
        CAPTURE(size);
        SseScanner whole;
        whole.feed(std::string_view(stream).substr(0, size));
        CHECK(whole.at_boundary() == bytewise.at_boundary());
        CHECK(whole.events() == bytewise.events());
        SseScanner split;
        split.feed(std::string_view(stream).substr(0, size));
        split.feed(std::string_view(stream).substr(size));
        CHECK(split.events() == 3);
        CHECK(split.at_boundary());
        if (size < stream.size()) bytewise.feed(std::string_view(stream).substr(size, 1));
      }
    }
  }

  TEST_CASE("a comment put in at any boundary leaves the events as they are") {
    const std::string_view text = "data: 1\n\n: c\n\nevent: x\ndata: 2\n\n\ndata: 3\n\n";
    for (const std::string_view line_end : line_ends) {
      const std::string stream = with_line_end(text, line_end);
      std::string commented;
      SseScanner scanner;
      for (const char c : stream) {
        if (scanner.at_boundary()) commented += ":\n\n";
        commented += c;
        scanner.feed(std::string_view(&c, 1));
      }
      SseScanner reader;
      reader.feed(commented);
      CHECK(reader.events() == 3);
      CHECK(reader.at_boundary());
    }
  }

  TEST_CASE("the endpoint event is found with its data") {
    struct Row {
      std::string_view stream;
      std::string_view data;
    };
    const Row rows[] = {
        {"event: endpoint\ndata: /messages?sessionId=b1\n\n", "/messages?sessionId=b1"},
        {"event:endpoint\ndata:/m\n\n", "/m"},
        {": hi\n\n\n: again\nevent: endpoint\n: inside\ndata: /m\n\n", "/m"},
        {"\xef\xbb\xbf"
         "event: endpoint\ndata: /m\n\n",
         "/m"},
        {"event: endpoint\nid: 1\nretry: 3\nx\ndata:  /m \n\n", " /m "},
        {"event: endpoint\ndata: http://a:1/m\n\n", "http://a:1/m"},
    };
    for (const Row& row : rows) {
      for (const std::string_view line_end : line_ends) {
        const std::string stream = with_line_end(row.stream, line_end);
        CAPTURE(stream);
        EndpointEvent event;
        REQUIRE(find_endpoint_event(stream + "data: next", event) == EndpointSearch::found);
        CHECK(event.size == stream.size());
        CHECK(data_of(stream, event) == row.data);
      }
    }
  }

  TEST_CASE("every proper prefix of an endpoint event needs more") {
    for (const std::string_view line_end : line_ends) {
      const std::string stream =
          with_line_end("\xef\xbb\xbf: hi\n\nevent: endpoint\ndata: /m\n\n", line_end);
      // The event is complete with the carriage return of its closing CRLF.
      const std::size_t complete = line_end == "\r\n" ? stream.size() - 1 : stream.size();
      for (std::size_t size = 0; size < stream.size(); ++size) {
        CAPTURE(size);
        EndpointEvent event;
        const auto search = find_endpoint_event(std::string_view(stream).substr(0, size), event);
        CHECK((search == EndpointSearch::found) == (size >= complete));
        CHECK(search != EndpointSearch::absent);
      }
    }
  }

  TEST_CASE("any other first event is told as soon as it is clear") {
    for (const std::string_view stream : {
             "event: message\n",
             "event: endpoints\n",
             "event: endpoint \n",
             "event\n",
             "event: endpoint\nevent: message\n",
             "data: /m\n\n",
             "data: /m",
             "id",
             "event: m",
             "data: /m\nevent: endpoint\n\n",
             "event: endpoint\n\n",
             "event: endpoint\ndata: /m\ndata: /n\n",
             "event: endpoint\ndata:\n",
             "id: s8-0\nretry: 500\ndata:\n",
             "retry: 500\n\n",
             "{\"jsonrpc\":\"2.0\"}\n\n",
             ": c\n\ndata: x\n\nevent: endpoint\ndata: /m\n\n",
         }) {
      for (const std::string_view line_end : line_ends) {
        const std::string text = with_line_end(stream, line_end);
        CAPTURE(text);
        EndpointEvent event;
        CHECK(find_endpoint_event(text, event) == EndpointSearch::absent);
      }
    }
  }

  TEST_CASE("collects the data of events, cut anywhere") {
    const std::string stream =
        "\xef\xbb\xbf: hello\r\n\r\nid: 1\ndata:\n\n"
        "event: message\rdata: one\rdata:two\r\rdata\ndata:  three \r\n\r\n"
        "retry: 5\n\ndata: unfinished\n";
    const std::vector<std::string> expected{"one\ntwo", "\n three "};
    for (std::size_t at_once = 1; at_once <= stream.size(); ++at_once)
      CHECK(data_of_events(stream, at_once) == expected);
  }

  TEST_CASE("an event with more data than was allowed is too large, also line by line") {
    SseDataReader one_line(10);
    one_line.feed("data: 0123456789");
    CHECK(one_line.too_large());
    SseDataReader lines(10);
    lines.feed("data: 01234\n");
    CHECK_FALSE(lines.too_large());
    lines.feed("data: 56789\n");
    CHECK(lines.too_large());
    CHECK_FALSE(lines.has_event());
    CHECK(lines.feed("x") == 0);
    SseDataReader fits(10);
    CHECK(fits.feed("data: 01\n\ndata: 23\n\n") == 10);
    CHECK(fits.feed("data: 23\n\n") == 10);
    CHECK_FALSE(fits.too_large());
  }
}

}  // namespace mcplb::mcp
