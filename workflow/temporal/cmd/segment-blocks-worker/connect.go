package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"

	"github.com/aacflow/segment-blocks/workflow/temporal"
)

// connection says which Temporal server to use. All other settings, such as TLS and an API key,
// come from Temporal's own variables and configuration file. KeysIn is the name of the variable
// with the keys that encrypt what the server stores, "" for none.
type connection struct{ address, namespace, queue, keysIn string }

// options returns the options of a client. The error is about the configuration.
func (c connection) options(logger *slog.Logger) (client.Options, error) {
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return options, fmt.Errorf("read Temporal's configuration: %w", err)
	}
	if c.address != "" {
		options.HostPort = c.address
	}
	if c.namespace != "" {
		options.Namespace = c.namespace
	}
	if options.HostPort == "" {
		options.HostPort = client.DefaultHostPort
	}
	options.Logger = log.NewStructuredLogger(logger)
	if c.keysIn == "" {
		return options, nil
	}
	var keys [][]byte
	for text := range strings.SplitSeq(os.Getenv(c.keysIn), ",") {
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil || len(key) != 32 {
			return options, fmt.Errorf("the variable %s must hold one or more keys, each 32 bytes in base64, with "+
				"a comma between them: openssl rand -base64 32 makes one", c.keysIn)
		}
		keys = append(keys, key)
	}
	return options, temporal.Encrypt(&options, keys...)
}

// dial connects to the server within ten seconds, so that a wrong address causes an error instead
// of a command that hangs.
func dial(ctx context.Context, options client.Options) (client.Client, error) {
	limited, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	server, err := client.DialContext(limited, options)
	switch {
	case ctx.Err() != nil:
		return nil, errors.New("interrupted while connecting to the Temporal server")
	case err != nil:
		return nil, fmt.Errorf("no Temporal server answers at %s: start one with \"temporal server start-dev\", "+
			"or name another with --address or TEMPORAL_ADDRESS: %w", options.HostPort, err)
	}
	return server, nil
}
