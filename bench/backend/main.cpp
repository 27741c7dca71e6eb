// mcplb_bench_backend: a plain MCP server for measurements.
#include <csignal>
#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>

#include "mcplb/base/limits.hpp"
#include "mcplb/net/loop.hpp"
#include "mcplb/net/tcp.hpp"

#include "backend/server.hpp"

int main(int argc, char** argv) {
  std::string address = "127.0.0.1:0";
  std::string name = "a";
  int workers = 1;
  CLI::App app{"A plain MCP server for measurements"};
  app.add_option("--listen", address, "HOST:PORT; port 0: any that is free");
  app.add_option("--name", name, "how its results name it");
  app.add_option("--workers", workers, "threads; one is all there is")->check(CLI::Range(1, 1));
  bool any_session = false;
  app.add_flag("--any-session", any_session,
               "serve sessions of other servers, for proxies that do not keep them apart");
  CLI11_PARSE(app, argc, argv);

  mcplb::net::raise_open_files_limit();
  mcplb::net::Loop loop(mcplb::limits::buffer_block_bytes);
  mcplb::bench::Server server(loop, name, any_session);
  auto listening = server.listen(address);
  if (!listening) {
    std::fprintf(stderr, "cannot listen on %s: %s\n", address.c_str(), listening.error().what);
    return 1;
  }
  std::fprintf(stderr, "listening address=%s\n", listening->c_str());
  loop.on_signal(SIGTERM, [&loop] { loop.stop(); });
  loop.on_signal(SIGINT, [&loop] { loop.stop(); });
  loop.run();
  return 0;
}
