package temporal_test

// files are run by both drivers.
var files = map[string]string{
	"order": `
name: order-completed
start: {userId: u-42, order: {id: o-1001, total: 42.50}}
nodes:
  who: {block: segment_identify, with: {userId: <start.userId>, traits: {plan: pro}}}
  order: {block: segment_track, needs: [who], with: {userId: <start.userId>, event: Order Completed, properties: <start.order>}}
  big: {block: segment_group, needs: [order], when: start.order.total > 40, with: {userId: <start.userId>, groupId: big-spenders}}
`,
	"loop": `
name: loop
start: {people: [ada, grace, joan, karen, radia]}
nodes:
  one: {block: segment_track, with: {userId: u-1, event: First}}
  all: {block: segment_identify, forEach: <start.people>, concurrency: 3, with: {userId: <loop.currentItem>, traits: {n: <loop.index>}}}
  end: {block: segment_track, needs: [one, all], with: {userId: u-1, event: Last, properties: {first: "<all.results[0].userId>"}}}
`,
	"parallel": `
name: parallel
nodes:
  a: {block: segment_page, with: {userId: u-1, name: A}}
  b: {block: segment_screen, with: {userId: u-1, name: B}}
  c: {block: segment_alias, with: {previousId: u-0, userId: u-1}}
  d: {block: segment_batch, with: {batch: [{type: track, userId: u-1, event: D}, {type: track, userId: u-1, event: E}]}}
  e: {needs: [a, b, c, d], with: {all: [<a.name>, <b.userId>]}}
`,
	"fails": `
name: fails
nodes:
  bad: {block: segment_track, with: {event: Without Anybody}}
  behind: {block: segment_track, needs: [bad], with: {userId: u, event: Never}}
  beside: {block: segment_track, with: {userId: u, event: Beside}}
`,
	"branches": `
name: branches
nodes:
  bad: {block: segment_track, with: {event: Without Anybody}, onError: branch}
  told: {block: segment_track, needs: [bad.error], with: {userId: u, event: Failed, properties: {why: <bad.error.code>}}}
  good: {block: segment_track, needs: [bad], with: {userId: u, event: Never}}
`,
	"variables": `
name: variables
nodes:
  a: {block: segment_track, with: {userId: u, event: E, properties: {token: "{{TOKEN}}", html: "<b> & <i>"}}}
  none: {block: segment_track, with: {userId: u, event: "{{NONE}}"}, onError: continue}
`,
	"number": `
name: numbers
start: {big: 12345678901234567890, small: 1.10}
nodes:
  a: {block: segment_track, with: {userId: u, event: Digits, properties: {big: <start.big>, small: <start.small>, both: "<start.big>/<start.small>"}}}
`,
}
