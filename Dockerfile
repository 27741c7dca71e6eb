# mcplb in a small image: docker build --tag mcplb:0.1.0 .
ARG DEBIAN=12.13

FROM debian:${DEBIAN} AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /src
# The packages and the steps are those of ./run, which reads them from the same file.
COPY .ci/common.sh .ci/common.sh
RUN root=$PWD; source .ci/common.sh; install_missing "${build_packages[@]}"
COPY meson.build meson_options.txt LICENSE README.md ./
COPY subprojects subprojects
COPY include include
COPY src src
COPY conf conf
COPY docs docs
COPY tests/tidy/sources.py tests/tidy/sources.py
RUN root=$PWD; source .ci/common.sh; \
    configure release gcc g++ -Dtests=false --prefix=/usr --sysconfdir=/etc; \
    ninja -C build/release mcplb; \
    meson install -C build/release --no-rebuild --strip --destdir /out; \
    install -D -m 0644 conf/minimal.yaml /out/etc/mcplb/mcplb.yaml

FROM debian:${DEBIAN}-slim
LABEL org.opencontainers.image.title="mcplb" \
      org.opencontainers.image.description="A load balancer that understands MCP" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
       ca-certificates libc-ares2 libhiredis0.14 libsimdjson14 libssl3 libstdc++6 libuv1 \
       libyaml-cpp0.7 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/ /
# A number, so that Kubernetes sees that it is not root. Nothing in the image belongs to it.
USER 65532:65532
EXPOSE 8080 9180
STOPSIGNAL SIGTERM
# Asks on the default admin address; needs no shell, no curl and no token.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["mcplb", "health", "--ready"]
ENTRYPOINT ["mcplb"]
CMD ["run", "-c", "/etc/mcplb/mcplb.yaml"]
