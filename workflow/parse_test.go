package workflow_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aacflow/segment-blocks/workflow"
)

const order = `# an order has been completed
name: order-completed
start: {userId: u-42, order: {id: o-1001, total: 42.50}}
nodes:
  who:   {block: segment_identify, with: {userId: <start.userId>, traits: {plan: pro}}}
  order:
    block: segment_track
    needs: [who]
    with: {userId: <start.userId>, event: Order Completed, properties: <start.order>}
  big:
    block: segment_group
    needs: [order]
    when: start.order.total > 40
    with: {userId: <start.userId>, groupId: big-spenders}
`

func faultsOf(t *testing.T, err error) []string {
	t.Helper()
	var faults *workflow.FileError
	require.ErrorAs(t, err, &faults)
	return strings.Split(faults.Error(), "\n")
}

func TestParse(t *testing.T) {
	g, err := workflow.Parse("order.workflow.yaml", []byte(order))
	require.NoError(t, err)
	require.Equal(t, "order-completed", g.Name)
	require.Equal(t, `{"userId":"u-42","order":{"id":"o-1001","total":42.50}}`, string(g.Start.JSON()))
	require.Len(t, g.Nodes, 3)
	require.Equal(t, "segment_group", g.Node("big").Block)
	require.Len(t, g.Node("big").Needs, 1)
	require.Equal(t, "order", g.Node("big").Needs[0].Node)
	require.Nil(t, g.Node("small"))
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := workflow.Parse("f.yaml", []byte(`nam: x
start: {a: 1}
nodes:
  start: {block: segment_track}
  one: {blok: segment_track, needs: [tow], onError: fial}
  two:
    block: Segment Track
    needs: [three]
    with: {event: "<start.b> <one.x> <nope.y>", x: <loop.index>}
  three: {needs: [two], when: "start.c > 1", timeout: soon}
  behind: {needs: [three], with: {a: "{{HOME}}"}}
  alone: {needs: [alone]}
  bad.id: {block: segment_track}
  never: {needs: [two.error], when: "1 +"}
  branch: {block: segment_track, onError: branch, concurrency: 0, forEach: {a: 1}}
`))
	require.Equal(t, []string{
		`f.yaml:1:1: nam is not a known key; did you mean "name"?`,
		`f.yaml:1:1: name must be given`,
		`f.yaml:4:3: "start" cannot be the id of a node: references give it a meaning of its own`,
		`f.yaml:5:9: blok is not a known key; did you mean "block"?`,
		`f.yaml:5:38: no node has this id: "tow"`,
		`f.yaml:5:53: onError must be one of fail, continue, branch: "fial"`,
		`f.yaml:6:3: needs itself: two needs three needs two`,
		`f.yaml:7:12: block must be the id of a block, such as segment_track or segment_track@1: "Segment Track"`,
		`f.yaml:9:19: <nope.y> names no node; there are start, one, two, three, behind, alone, never, branch`,
		`f.yaml:9:19: <start.b> is no input; start has a`,
		`f.yaml:9:52: <loop.index>: there is no loop here; a loop is made by forEach`,
		`f.yaml:10:31: unknown field c, at character 7`,
		`f.yaml:10:55: timeout must be a time such as 500ms, 30s or 5m: "soon"`,
		`f.yaml:11:3: behind can never run: it needs three, which needs itself`,
		`f.yaml:11:38: {{HOME}}: a variable may stand only in the input of a block`,
		`f.yaml:12:3: needs itself: alone needs alone`,
		`f.yaml:13:11: bad.id cannot be an id: it must be a letter or _, then letters, digits, _ and -, 64 in all: ` +
			`{"block":"segment_track"}`,
		`f.yaml:14:3: never can never run: it needs two, which needs itself`,
		`f.yaml:14:18: never can never run: two.error needs onError: branch at two`,
		`f.yaml:14:37: unexpected token EOF, at character 3`,
		`f.yaml:15:43: onError: branch at branch leads nowhere: no node needs branch.error`,
		`f.yaml:15:64: concurrency must be at least 1: 0`,
		`f.yaml:15:76: forEach must be an array or a string or an integer: {"a":1}`,
	}, faultsOf(t, err))
}

func TestHostileFiles(t *testing.T) {
	deep := strings.Repeat("[", 3000) + strings.Repeat("]", 3000)
	aliases, cycle := "", "name: x\nnodes:\n"
	for i := range 20 {
		aliases += fmt.Sprintf("%c: &%c [*%[3]c,*%[3]c,*%[3]c,*%[3]c,*%[3]c,*%[3]c]\n", 'b'+i, 'b'+i, 'a'+i)
	}
	for i := range 5000 {
		cycle += fmt.Sprintf("  n%d: {needs: [n%d]}\n", i, (i+1)%5000)
	}
	for _, c := range []struct{ name, file, want string }{
		{"nothing", "", "f.yaml: must not be empty"},
		{"only a comment", "# hi", "f.yaml: must not be empty"},
		{"a list", "[1]", "f.yaml:1:1: must be a mapping of keys to values"},
		{"text", "hello", "f.yaml:1:1: must be a mapping of keys to values"},
		{"broken", "name: x\nnodes: {a: [}", "f.yaml:1:1: must be valid YAML: did not find expected node content"},
		{"binary", "\x00\x01\xff", "f.yaml: must be UTF-8"},
		{"two documents", "name: x\n---\nname: y", "f.yaml:2:1: must hold one document, not several"},
		{"deep", "name: x\nnodes: {a: {with: {x: " + deep + "}}}", "must not nest so deep: 100 levels are allowed"},
		{"very deep", "name: " + strings.Repeat("[", 100_000), "exceeded max depth"},
		{"huge", "name: " + strings.Repeat("x", 9<<20), "2097152 bytes are allowed, it has 9437190"},
		{"aliases", "name: x\na: &a [1]\nb: [*a, *a]", "f.yaml:2:4: tags, anchors and aliases are not allowed"},
		{"a merge", "name: x\nnodes: {<<: {a: {}}}", "f.yaml:2:9: a key must be plain text"},
		{"keys twice", "name: x\nnodes: {a: {}, a: {}}", `f.yaml:2:16: a key must not be given twice: "a"`},
		{"a key that is a list", "name: x\n? [1]\n: 2", "f.yaml:2:3: a key must be plain text"},
		{
			"no JSON", "name: x\nnodes: {a: {with: {x: .inf, y: 0x1F}}}",
			"f.yaml:2:23: must be a JSON value, or text in quotes: .inf",
		},
		{"odd text", "name: x\nnodes: {\"a\\u202Eb\": {}}", `f.yaml:2:21: a\u202eb cannot be an id`},
		{"an alias bomb", "name: x\na: &a [x,x,x,x,x,x,x,x,x]\n" + aliases, "anchors and aliases are not allowed"},
		{"an alias of itself", "name: x\nnodes: &n {a: {with: *n}}", "anchors and aliases are not allowed"},
		{"a tag", "name: x\nnodes: {a: {with: {x: !!binary aGk=}}}", "f.yaml:2:23: tags, anchors and aliases are"},
		{"a tag of Python", "name: !!python/object:os x\nnodes: {a: {}}", "f.yaml:1:7: tags, anchors and aliases are"},
		{"a tab", "name: x\nnodes:\n\ta: {}", "f.yaml:3:1: must be valid YAML"},
		{"UTF-16", "\xff\xfen\x00a\x00", "f.yaml: must be UTF-8"},
		{
			"the name of a prototype", "name: x\nnodes: {constructor: {with: {a: <__proto__.y>}}}",
			"<__proto__.y> names no node",
		},
		{
			"names with a meaning", "name: x\nnodes: {start: {}, loop: {}, parallel: {}, variable: {}}",
			"f.yaml:2:9: \"start\" cannot be the id of a node",
		},
		{
			"an id that is empty",
			"name: x\nnodes: {\"\": {}}",
			`cannot be an id: it must be a letter or _, then letters, digits, _ and -, 64 in all: {"":{}}`,
		},
		{"an id that is null", "name: x\nnodes: {null: {}, ~: {}}", "f.yaml:2:22: ~ cannot be an id"},
		{"a long id", "name: x\nnodes: {" + strings.Repeat("a", 65) + ": {}}", "cannot be an id"},
		{"a zero in an id", "name: x\nnodes: {\"a\\0b\": {}}", `a\x00b cannot be an id`},
		{"itself", "name: x\nnodes: {a: {needs: [a]}}", "f.yaml:2:9: needs itself: a needs a"},
		{"itself by reference", "name: x\nnodes: {a: {with: {x: <a.y>}}}", "f.yaml:2:9: needs itself: a needs a"},
		{"itself by condition", "name: x\nnodes: {a: {when: a.y}}", "f.yaml:2:9: needs itself: a needs a"},
		{"a long cycle", cycle, "f.yaml:3:3: needs itself: n0 needs n1 needs n2"},
		{
			"a number too large", "name: x\nnodes: {a: {block: b, forEach: 1e999}}",
			"f.yaml:2:32: forEach must be a list, or a number of iterations up to 1000000: ",
		},
		{"too many iterations", "name: x\nnodes: {a: {block: b, forEach: 1000001}}", "forEach must be at most 1000000"},
		{"a negative time", "name: x\nnodes: {a: {timeout: -5s}}", "f.yaml:2:22: timeout must be a time such as"},
		{"a long time", "name: x\nnodes: {a: {timeout: 24h}}", "must be a time of at most 23h0m0s"},
		{"a time beyond all", "name: x\nnodes: {a: {timeout: 99999999999999999999h}}", "f.yaml:2:22: "},
		{
			"a deep condition", "name: x\nnodes: {a: {when: \"" +
				strings.Repeat("(", 4999) + "true" + strings.Repeat(")", 4999) + "\"}}",
			"f.yaml:2:19: ",
		},
		{
			"a long reference", "name: x\nnodes: {a: {with: {x: \"<start." + strings.Repeat("a.", 100_000) + "b>\"}}}",
			"f.yaml:2:23: <start.",
		},
		{
			"nearly a reference", "name: x\nstart: {l: []}\nnodes: {a: {with: {x: \"of <start.l[x]>\"}}}",
			"f.yaml:3:23: <start.l[x]> is no reference",
		},
		{
			"a place beyond all", "name: x\nstart: {l: []}\nnodes: {a: {with: {x: \"<star.l[9999999999999999999]>\"}}}",
			"names no node",
		},
		{"JSON that is cut", `{"name": "x", "nodes": {"a": {`, "must be valid YAML"},
		{"an export that is empty", `{"blocks": {}, "edges": []}`, "f.yaml:1:12: has no start block"},
		{"no nodes", "name: x\nnodes: {}", "f.yaml:2:8: nodes must have one node at least: {}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := workflow.Parse("f.yaml", []byte(c.file))
			require.Contains(t, strings.Join(faultsOf(t, err), "\n"), c.want)
		})
	}
}
