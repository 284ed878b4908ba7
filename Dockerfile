# syntax=docker/dockerfile:1
# Evenkeel as an image: no shell, no package manager, no root.
#
#   docker build -t evenkeel .
#   docker run -v ./etc:/etc/evenkeel:ro -p 8080:8080 evenkeel     # ./etc/evenkeel.yaml
#   docker run -e EVENKEEL_BACKENDS=app-1:3000,app-2:3000 -p 8080:8080 evenkeel
#
# Mount a directory, not a single file: replacing a file that is mounted by itself is not seen.

# 24.22.1 is the first of its line with the security fixes of October 2026.
ARG NODE_VERSION=24.22.1

FROM node:${NODE_VERSION}-trixie-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json ./
COPY src src
RUN npm run build

FROM node:${NODE_VERSION}-trixie-slim AS packages
WORKDIR /packages
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

# Distroless has its own Node images, but no tag that names a version: so Node comes from the image
# that has one, onto the base with just the C++ runtime.
FROM gcr.io/distroless/cc-debian13:nonroot
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Evenkeel" \
      org.opencontainers.image.description="Layer-4/7 load balancer with health checks, failover and an explanation for everything it does" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /usr/local/bin/node /usr/local/bin/node
COPY --from=packages /packages/node_modules node_modules
COPY --from=build /build/dist/src dist/src
COPY package.json LICENSE ./
COPY conf conf
USER 65532:65532
EXPOSE 8080
# A drain takes up to `runtime.drain` (8 s), which fits into the 10 s that Docker waits.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=5s --retries=2 \
  CMD ["/usr/local/bin/node", "/app/dist/src/main.js", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/node", "/app/dist/src/main.js"]
CMD ["run"]
