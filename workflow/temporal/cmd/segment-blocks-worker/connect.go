package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"
)

// connection says which Temporal server to use. What it leaves out, TLS and an API key included,
// comes from Temporal's own variables and configuration file.
type connection struct{ address, namespace, queue string }

func (c connection) dial(ctx context.Context, logger *slog.Logger) (client.Client, error) {
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return nil, fmt.Errorf("read Temporal's configuration: %w", err)
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
