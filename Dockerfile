# syntax=docker/dockerfile:1

# One file for both ways to the image, so that what the image is like is said once:
#
#     docker build -t segment-blocks .     compiles this folder
#     --target=released                    takes the binaries of a release (.goreleaser.yaml)

# The compiler runs on the machine that builds and compiles for the platform that is asked for, which is faster than emulating that.
FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS compiled
WORKDIR /src
# The modules have a layer of their own: they change less often than the code.
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH
# What `segment-blocks version` says. .git is not in the context, so the program cannot know by itself.
ARG VERSION=dev COMMIT= DATE=
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/cache \
    GOCACHE=/cache CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false -o /out/segment-blocks -ldflags "-s -w \
    -X github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console.version=$VERSION \
    -X github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console.commit=$COMMIT \
    -X github.com/aacflow/segment-blocks/cmd/segment-blocks/internal/console.date=$DATE" ./cmd/segment-blocks

# The base has certificates, time zones and the user nonroot (65532), and no shell. There is nothing in it that could ask /healthz
# either, hence no HEALTHCHECK: ask from outside, as Kubernetes does (httpGet on /healthz and /readyz, which need no token).
FROM gcr.io/distroless/static-debian12:nonroot AS base
LABEL org.opencontainers.image.title="segment-blocks" \
      org.opencontainers.image.description="Segment's calls as tool blocks for workflow engines, over REST and MCP" \
      org.opencontainers.image.source="https://github.com/aacflow/segment-blocks" \
      org.opencontainers.image.licenses="Apache-2.0"
# By number, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 65532:65532
EXPOSE 8787
ENTRYPOINT ["/usr/local/bin/segment-blocks"]
# A container has to listen beyond its own loopback. There the server refuses to start without a token (SEGMENT_BLOCKS_TOKEN or
# --token-file), and that is wanted: whoever reaches the port could send events.
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
