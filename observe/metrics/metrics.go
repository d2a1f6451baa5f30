// Package metrics counts invocations for Prometheus.
//
//	m := metrics.New(reg)
//	rt, err := runtime.New(reg, runtime.Observe(m.Observe), …)
//	mux.Handle("/metrics", m.Handler())
//
// These are the metrics of invocations. A block that does not exist counts as unknown, and a source that does not as "", so that
// requests cannot make up labels. emulated is true where the source is an emulator (see runtime.EmulatedSource):
//
//	segment_blocks_invocations_total{block,source,emulated,outcome}         outcome is ok or the code of the error
//	segment_blocks_invocation_duration_seconds{block,source,emulated}       histogram, retries and waits included
//	segment_blocks_invocations_in_flight{block}
//	segment_blocks_attempts_total{block,source,emulated}                    HTTP requests, retries included
//	segment_blocks_sent_bytes_total{block,source,emulated}                  of their bodies
//	segment_blocks_accepted_messages_total{block,source,emulated}           that the receiver has confirmed
//	segment_blocks_stored_messages_total{block,source,emulated}             that have been stored, to be sent later
//
// And these are those of the queues given to Queues, such as the sources that store their messages, each labelled with the source:
//
//	segment_blocks_queue_waiting_messages{source}            stored and not accepted yet, those in flight included
//	segment_blocks_queue_in_flight_messages{source}
//	segment_blocks_queue_oldest_seconds{source}              how long ago the first that waits was stored; 0 when none does
//	segment_blocks_queue_dead_messages{source}               given up
//	segment_blocks_queue_delivered_messages_total{source}    accepted since the start
//
// A server has these as well, where its handler is wrapped by HTTP:
//
//	segment_blocks_http_requests_total{route,method,code}
//	segment_blocks_http_request_duration_seconds{route,method}     histogram, to the end of the answer
//
// Build adds segment_blocks_build_info{version,revision,goversion}, which is always 1. The metrics of the Go runtime and of the process
// are served too.
package metrics

import (
	"context"
	"net/http"
	"runtime/debug"
	"strconv"
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

// durations are the upper bounds of the buckets of durations, in seconds.
func durations() []float64 {
	return []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}
}

// New returns counters for the blocks of a registry.
func New(blocks *registry.Registry) *Metrics {
	labels := []string{"block", "source", "emulated"}
	counter := func(name, help string, more ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "segment_blocks_" + name, Help: help}, append(labels, more...))
	}
	m := &Metrics{
		blocks:      blocks,
		prometheus:  prometheus.NewRegistry(),
		invocations: counter("invocations_total", "Invocations that have ended, by outcome: ok or the code of the error.", "outcome"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "segment_blocks_invocation_duration_seconds", Help: "How long invocations took, retries and waits included.",
			Buckets: durations(),
		}, labels),
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
			outcome = string(runtime.ErrorOf(err).Code)
		}
		labels := []string{block, receipt.Source, strconv.FormatBool(receipt.Emulated)}
		m.inFlight.WithLabelValues(block).Dec()
		m.invocations.WithLabelValues(append(labels, outcome)...).Inc()
		m.duration.WithLabelValues(labels...).Observe(time.Since(began).Seconds())
		m.attempts.WithLabelValues(labels...).Add(float64(receipt.Attempts))
		m.bytes.WithLabelValues(labels...).Add(float64(receipt.Bytes))
		m.accepted.WithLabelValues(labels...).Add(float64(receipt.Accepted))
		m.stored.WithLabelValues(labels...).Add(float64(receipt.Stored))
	}
}

// Build adds the metric build_info, with the version of the program and the commit that it was built from. It is called once.
func (m *Metrics) Build(version, revision string) {
	goVersion := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		goVersion = info.GoVersion
	}
	m.prometheus.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "segment_blocks_build_info", Help: "What the program was built from; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision, "goversion": goVersion},
	}, func() float64 { return 1 }))
}

// HTTP returns a handler that counts the requests to next and times them. It belongs in front of whatever may refuse a request. Route names
// the route of a request, such as /v1/blocks/{id}; it must return one of a few names, whatever is asked for. HTTP is called once.
func (m *Metrics) HTTP(next http.Handler, route func(*http.Request) string) http.Handler {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "segment_blocks_http_requests_total", Help: "HTTP requests that have been answered.",
	}, []string{"route", "method", "code"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "segment_blocks_http_request_duration_seconds", Help: "How long HTTP requests took, to the end of the answer.", Buckets: durations(),
	}, []string{"route", "method"})
	m.prometheus.MustRegister(requests, duration)
	label := promhttp.WithLabelFromRequest("route", route)
	return promhttp.InstrumentHandlerCounter(requests, promhttp.InstrumentHandlerDuration(duration, next, label), label)
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.prometheus, promhttp.HandlerOpts{Registry: m.prometheus})
}
