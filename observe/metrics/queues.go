package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Queue is how the messages of a source stand that are sent later than they are taken.
type Queue struct {
	// Source is the name of the source.
	Source string
	// Waiting, InFlight and Dead count messages; InFlight are some of Waiting.
	Waiting, InFlight, Dead int
	// Delivered counts those accepted since the start.
	Delivered int64
	// Oldest is when the first that waits was taken, zero when none does.
	Oldest time.Time
}

// Queues adds queues. Read is called for each request of the metrics, perhaps several times at once, and returns each source once. Queues is called
// once, before Handler serves.
func (m *Metrics) Queues(read func() []Queue) {
	m.prometheus.MustRegister(&queues{
		read:      read,
		waiting:   queueMetric("waiting_messages", "Messages that are stored and not accepted yet."),
		inFlight:  queueMetric("in_flight_messages", "Those of them that are being sent."),
		oldest:    queueMetric("oldest_seconds", "How long ago the first message that waits was stored; 0 when none waits."),
		dead:      queueMetric("dead_messages", "Messages that were given up, and are kept."),
		delivered: queueMetric("delivered_messages_total", "Messages that have been accepted since the start."),
	})
}

func queueMetric(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("segment_blocks_queue_"+name, help, []string{"source"}, nil)
}

// queues collects when it is asked, so that nothing has to keep gauges up to date.
type queues struct {
	read                                       func() []Queue
	waiting, inFlight, oldest, dead, delivered *prometheus.Desc
}

// Describe is that of prometheus.Collector.
func (q *queues) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{q.waiting, q.inFlight, q.oldest, q.dead, q.delivered} {
		out <- d
	}
}

// Collect is that of prometheus.Collector.
func (q *queues) Collect(out chan<- prometheus.Metric) {
	for _, s := range q.read() {
		gauge := func(d *prometheus.Desc, value float64) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, s.Source)
		}
		age := 0.0
		if !s.Oldest.IsZero() {
			age = max(0, time.Since(s.Oldest).Seconds())
		}
		gauge(q.waiting, float64(s.Waiting))
		gauge(q.inFlight, float64(s.InFlight))
		gauge(q.oldest, age)
		gauge(q.dead, float64(s.Dead))
		out <- prometheus.MustNewConstMetric(q.delivered, prometheus.CounterValue, float64(s.Delivered), s.Source)
	}
}
