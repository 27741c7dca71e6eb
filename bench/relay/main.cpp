// mcplb_bench_relay: copies bytes between its clients and one backend.
#include <arpa/inet.h>

#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>

#include "mcplb/net/tcp.hpp"

#include "relay/relay.hpp"

int main(int argc, char** argv) {
  std::string listen = "127.0.0.1:0";
  std::string to;
  CLI::App app{"Copies bytes between its clients and one backend: the floor of what a proxy costs"};
  app.add_option("--listen", listen, "IP:PORT; port 0: any that is free");
  app.add_option("--to", to, "IP:PORT of the backend")->required();
  CLI11_PARSE(app, argc, argv);

  sockaddr_in listen_address{};
  sockaddr_in to_address{};
  if (!mcplb::bench::parse_endpoint(listen, listen_address) ||
      !mcplb::bench::parse_endpoint(to, to_address)) {
    std::fprintf(stderr, "--listen and --to are IP:PORT\n");
    return 2;
  }
  mcplb::net::raise_open_files_limit();
  mcplb::bench::Relay relay;
  const std::uint16_t port = relay.listen(listen_address, to_address);
  if (port == 0) {
    std::fprintf(stderr, "cannot listen on %s\n", listen.c_str());
    return 1;
  }
  const std::string host = listen.substr(0, listen.rfind(':'));
  std::fprintf(stderr, "listening address=%s:%u\n", host.c_str(), static_cast<unsigned>(port));
  relay.run();
  return 1;
}
