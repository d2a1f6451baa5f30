# syntax=docker/dockerfile:1

# This file describes both ways to build the image, so that the image is defined in one place:
#
#     docker build -t segment-blocks .     compiles this folder
#     --target=released                    takes the binaries of a release (.goreleaser.yaml)

# The compiler runs on the platform of the build machine and compiles for the target platform. That is faster than emulation.
FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS compiled
WORKDIR /src
# The modules have their own layer, because they change less often than the code.
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH
# These are printed by `segment-blocks version`. The program cannot find them itself, because .git is not in the context.
ARG VERSION=dev COMMIT= DATE=
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/cache \
    GOCACHE=/cache CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false -o /out/segment-blocks -ldflags "-s -w \
    -X github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console.version=$VERSION \
    -X github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console.commit=$COMMIT \
    -X github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console.date=$DATE" ./cmd/segment-blocks

# The base has certificates, time zones and the user nonroot (65532). It has no shell and no program that could call /healthz, so
# there is no HEALTHCHECK. Check from outside, as Kubernetes does (httpGet on /healthz and /readyz, which need no token).
FROM gcr.io/distroless/static-debian12:nonroot AS base
LABEL org.opencontainers.image.title="segment-blocks" \
      org.opencontainers.image.description="Segment's calls as tool blocks for workflow engines, over REST and MCP" \
      org.opencontainers.image.source="https://github.com/aacflow/segment-blocks" \
      org.opencontainers.image.licenses="Apache-2.0"
# The user is a number, so that Kubernetes can verify that it is not root (runAsNonRoot).
USER 65532:65532
EXPOSE 8787
ENTRYPOINT ["/usr/local/bin/segment-blocks"]
# A container must listen on more than its loopback address. The server then refuses to start without a token
# (SEGMENT_BLOCKS_TOKEN or --token-file). That is intended, because anyone who reaches the port could send events.
CMD ["serve", "--addr", "0.0.0.0:8787"]

# The context is the folder that GoReleaser prepares: linux/amd64/segment-blocks, linux/arm64/segment-blocks.
FROM base AS released
ARG TARGETPLATFORM
COPY $TARGETPLATFORM/segment-blocks /usr/local/bin/segment-blocks

FROM base AS built
ARG VERSION=dev COMMIT= DATE=
LABEL org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT" \
      org.opencontainers.image.created="$DATE"
COPY --from=compiled /out/segment-blocks /usr/local/bin/segment-blocks
