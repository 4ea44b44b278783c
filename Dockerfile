# The gateway: one binary, the certificate authorities, a user of its own.

FROM rust:1-bookworm AS build
WORKDIR /source
COPY Cargo.toml Cargo.lock rust-toolchain.toml dialbridge.default.toml ./
COPY .cargo .cargo
COPY src src
COPY mappings mappings
# The manifest names them; they are not built.
COPY tests tests
COPY benches benches
COPY fixtures fixtures
RUN cargo build --locked --profile dist --bin dialbridge

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --home-dir /var/lib/dialbridge --create-home dialbridge
COPY --from=build /source/target/dist/dialbridge /usr/local/bin/dialbridge
USER dialbridge
WORKDIR /var/lib/dialbridge
VOLUME /var/lib/dialbridge
EXPOSE 8080
ENTRYPOINT ["dialbridge"]
CMD ["serve", "--config", "/etc/dialbridge/dialbridge.toml", "--migrate"]
