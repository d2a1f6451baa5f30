// Package metrics counts invocations for Prometheus.
//
//	m := metrics.New(reg)
//	rt, err := runtime.New(reg, runtime.Observe(m.Observe), …)
//	mux.Handle("/metrics", m.Handler())
//
// The metrics of invocations follow. A block that does not exist has the label unknown and a source
// that does not exist an empty one, so that requests cannot make up labels. emulated is true if the
// source is an emulator (see runtime.EmulatedSource).
//
//	segment_blocks_invocations_total{block,source,emulated,outcome}    ok or the error's code
//	segment_blocks_invocation_duration_seconds{block,source,emulated}  histogram, with retries
//	segment_blocks_invocations_in_flight{block}
//	segment_blocks_attempts_total{block,source,emulated}               HTTP requests
//	segment_blocks_sent_bytes_total{block,source,emulated}             of their bodies
//	segment_blocks_accepted_messages_total{block,source,emulated}      confirmed by the receiver
//	segment_blocks_stored_messages_total{block,source,emulated}        to be sent later
//
// [Metrics.Queues] adds metrics of the sources that send their messages later:
//
//	segment_blocks_queue_waiting_messages{source}          not accepted yet, in flight or not
//	segment_blocks_queue_in_flight_messages{source}
//	segment_blocks_queue_oldest_seconds{source}            age of the oldest; 0 if none waits
//	segment_blocks_queue_dead_messages{source}             dead letters
//	segment_blocks_queue_delivered_messages_total{source}  accepted since the start
//
// [Metrics.HTTP] adds metrics of a server's handler:
//
//	segment_blocks_http_requests_total{route,method,code}
//	segment_blocks_http_request_duration_seconds{route,method}   histogram, to the end of the answer
//
// [Metrics.Build] adds segment_blocks_build_info{version,revision,goversion}, which is always 1.
// The metrics of the Go runtime and of the process are served too.
package metrics

import (
	"context"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
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
	m := &Metrics{blocks: blocks, prometheus: prometheus.NewRegistry()}
	m.prometheus.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	labels := []string{"block", "source", "emulated"}
	made := promauto.With(m.prometheus)
	counter := func(name, help string, more ...string) *prometheus.CounterVec {
		return made.NewCounterVec(
			prometheus.CounterOpts{Name: "segment_blocks_" + name, Help: help}, append(labels, more...),
		)
	}
	m.invocations = counter(
		"invocations_total", "Invocations that have ended, by outcome: ok or the code of the error.", "outcome",
	)
	m.duration = made.NewHistogramVec(prometheus.HistogramOpts{
		Name: "segment_blocks_invocation_duration_seconds", Help: "How long invocations took, with retries and waits.",
		Buckets: durations(),
	}, labels)
	m.inFlight = made.NewGaugeVec(prometheus.GaugeOpts{
		Name: "segment_blocks_invocations_in_flight", Help: "Invocations in flight.",
	}, []string{"block"})
	m.attempts = counter("attempts_total", "HTTP requests to the receiver, retries included.")
	m.bytes = counter("sent_bytes_total", "Bytes of the bodies of those requests.")
	m.accepted = counter("accepted_messages_total", "Messages that the receiver has confirmed.")
	m.stored = counter("stored_messages_total", "Messages that are stored, to be sent later.")
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

// Build adds the metric build_info with the version of the program and the commit that it was built
// from. Call it once.
func (m *Metrics) Build(version, revision string) {
	goVersion := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		goVersion = info.GoVersion
	}
	promauto.With(m.prometheus).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "segment_blocks_build_info", Help: "What the program was built from; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision, "goversion": goVersion},
	}, func() float64 { return 1 })
}

// HTTP returns a handler that counts and times the requests to next. Put it in front of the
// handlers that may refuse a request. Route names the route of a request, such as /v1/blocks/{id};
// it must return one of a few names, whatever the request asks for. Call HTTP once.
func (m *Metrics) HTTP(next http.Handler, route func(*http.Request) string) http.Handler {
	made := promauto.With(m.prometheus)
	requests := made.NewCounterVec(prometheus.CounterOpts{
		Name: "segment_blocks_http_requests_total", Help: "HTTP requests that have been answered.",
	}, []string{"route", "method", "code"})
	duration := made.NewHistogramVec(prometheus.HistogramOpts{
		Name: "segment_blocks_http_request_duration_seconds", Buckets: durations(),
		Help: "How long HTTP requests took, to the end of the answer.",
	}, []string{"route", "method"})
	label := promhttp.WithLabelFromRequest("route", route)
	return promhttp.InstrumentHandlerCounter(requests, promhttp.InstrumentHandlerDuration(duration, next, label), label)
}

// Registerer takes further metrics, such as those of a library that the host uses. Handler serves
// them too.
func (m *Metrics) Registerer() prometheus.Registerer { return m.prometheus }

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.prometheus, promhttp.HandlerOpts{Registry: m.prometheus})
}

// A Queue describes the messages that a source has taken and sends later.
type Queue struct {
	// Source is the name of the source.
	Source string
	// Waiting, InFlight and Dead count messages; InFlight are some of Waiting.
	Waiting, InFlight, Dead int
	// Delivered counts the messages accepted since the start.
	Delivered int64
	// Oldest is the time at which the oldest waiting message was taken, zero if none waits.
	Oldest time.Time
}

// Queues adds the metrics of queues. Each request for the metrics calls read, which must be safe
// for concurrent use and return each source once. Call Queues once, before Handler serves.
func (m *Metrics) Queues(read func() []Queue) {
	metric := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("segment_blocks_queue_"+name, help, []string{"source"}, nil)
	}
	waiting := metric("waiting_messages", "Messages that are stored and not accepted yet.")
	inFlight := metric("in_flight_messages", "Waiting messages that are being sent.")
	oldest := metric("oldest_seconds", "Age of the oldest waiting message; 0 if none waits.")
	dead := metric("dead_messages", "Dead letters: messages that were given up and are kept.")
	delivered := metric("delivered_messages_total", "Messages that have been accepted since the start.")
	// They are collected on request, so that nothing has to keep gauges up to date.
	m.prometheus.MustRegister(prometheus.CollectorFunc(func(out chan<- prometheus.Metric) {
		for _, q := range read() {
			age := 0.0
			if !q.Oldest.IsZero() {
				age = max(0, time.Since(q.Oldest).Seconds())
			}
			gauge := func(d *prometheus.Desc, value float64) {
				out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, q.Source)
			}
			gauge(waiting, float64(q.Waiting))
			gauge(inFlight, float64(q.InFlight))
			gauge(oldest, age)
			gauge(dead, float64(q.Dead))
			out <- prometheus.MustNewConstMetric(delivered, prometheus.CounterValue, float64(q.Delivered), q.Source)
		}
	}))
}
