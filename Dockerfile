# The one binary, with pages, script and migrations inside it. Not built in the project's own CI, which has no
# container engine; `make build` takes the same steps there.

FROM node:22-bookworm-slim AS assets
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY static/charts static/charts
RUN npm run build

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential pkg-config libssl-dev zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
COPY --from=assets /src/static/dist static/dist
RUN SQLX_OFFLINE=true cargo build --release --locked

FROM debian:bookworm-slim
# curl is for the health checks.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl libssl3 tzdata zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home shopwindow
COPY --from=build /src/target/release/shopwindow /usr/local/bin/shopwindow
USER shopwindow
WORKDIR /home/shopwindow
ENTRYPOINT ["shopwindow"]
CMD ["--help"]
