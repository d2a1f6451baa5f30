// Package metrics counts invocations for Prometheus.
//
//	m := metrics.New(reg)
//	rt, err := runtime.New(reg, runtime.Observe(m.Observe), …)
//	mux.Handle("/metrics", m.Handler())
//
// These are the metrics, each labelled with the block; one that does not exist counts as unknown, so that requests cannot make up labels:
//
//	segment_blocks_invocations_total{block,outcome}          outcome is ok or the code of the error
//	segment_blocks_invocation_duration_seconds{block}        histogram, retries and waits included
//	segment_blocks_invocations_in_flight{block}
//	segment_blocks_attempts_total{block}                     HTTP requests, retries included
//	segment_blocks_sent_bytes_total{block}                   of their bodies
//	segment_blocks_accepted_messages_total{block}            that the receiver has confirmed
//	segment_blocks_stored_messages_total{block}              that have been stored, to be sent later
//
// And these are those of the queues given to Queues, such as the sources that store their messages, each labelled with the source:
//
//	segment_blocks_queue_waiting_messages{source}            stored and not accepted yet, those in flight included
//	segment_blocks_queue_in_flight_messages{source}
//	segment_blocks_queue_oldest_seconds{source}              how long ago the first that waits was stored; 0 when none does
//	segment_blocks_queue_dead_messages{source}               given up
//	segment_blocks_queue_delivered_messages_total{source}    accepted since the start
//
// The metrics of the Go runtime and of the process are served as well.
package metrics

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/runtime"
)

// Metrics holds the counters, in a registry of their own. It is safe for concurrent use.
type Metrics struct {
	blocks     *registry.Registry
	prometheus *prometheus.Registry

	invocations *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	inFlight    *prometheus.GaugeVec
	attempts    *prometheus.CounterVec
	bytes       *prometheus.CounterVec
	accepted    *prometheus.CounterVec
	stored      *prometheus.CounterVec
}

// New returns counters for the blocks of a registry.
func New(blocks *registry.Registry) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "segment_blocks_" + name, Help: help}, append([]string{"block"}, labels...))
	}
	m := &Metrics{
		blocks:      blocks,
		prometheus:  prometheus.NewRegistry(),
		invocations: counter("invocations_total", "Invocations that have ended, by outcome: ok or the code of the error.", "outcome"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "segment_blocks_invocation_duration_seconds", Help: "How long invocations took, retries and waits included.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300},
		}, []string{"block"}),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "segment_blocks_invocations_in_flight", Help: "Invocations that are under way.",
		}, []string{"block"}),
		attempts: counter("attempts_total", "HTTP requests to the receiver, retries included."),
		bytes:    counter("sent_bytes_total", "Bytes of the bodies of those requests."),
		accepted: counter("accepted_messages_total", "Messages that the receiver has confirmed."),
		stored:   counter("stored_messages_total", "Messages that have been stored, to be sent later."),
	}
	m.prometheus.MustRegister(
		m.invocations, m.duration, m.inFlight, m.attempts, m.bytes, m.accepted, m.stored,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Observe is a runtime.Observer.
func (m *Metrics) Observe(ctx context.Context, block string) (context.Context, func(*runtime.Receipt, error)) {
	if _, ok := m.blocks.Lookup(block); !ok {
		block = "unknown"
	}
	began := time.Now()
	m.inFlight.WithLabelValues(block).Inc()
	return ctx, func(receipt *runtime.Receipt, err error) {
		outcome := "ok"
		if err != nil {
			outcome = string(runtime.AsError(err).Code)
		}
		m.inFlight.WithLabelValues(block).Dec()
		m.invocations.WithLabelValues(block, outcome).Inc()
		m.duration.WithLabelValues(block).Observe(time.Since(began).Seconds())
		m.attempts.WithLabelValues(block).Add(float64(receipt.Attempts))
		m.bytes.WithLabelValues(block).Add(float64(receipt.Bytes))
		m.accepted.WithLabelValues(block).Add(float64(receipt.Accepted))
		m.stored.WithLabelValues(block).Add(float64(receipt.Stored))
	}
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.prometheus, promhttp.HandlerOpts{Registry: m.prometheus})
}
