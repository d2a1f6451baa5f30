// Does what a user of a generated client does, with nothing but what the generator has made of /openapi.json. Gets {"url"} on stdin and
// reports on stdout what came back. The lines after @ts-expect-error must not compile: they show that the types are exact.
import { readFileSync } from 'node:fs'
import { client } from './generated/client.gen.js'
import {
  getBlock, getError, getSchema, listBlocks, listErrors,
  segmentAlias, segmentBatch, segmentBatchValidate, segmentGroup, segmentIdentify, segmentPage, segmentScreen,
  segmentTrack, segmentTrackPreview, segmentTrackValidate,
} from './generated/sdk.gen.js'
import type {
  Block, ErrorDoc, Problem, Receipt, SegmentBatchInput, SegmentTrackInput, SegmentTrackResult, Verdict,
} from './generated/types.gen.js'

const { url } = JSON.parse(readFileSync(0, 'utf8')) as { url: string }
client.setConfig({ baseUrl: url })

const anonymousId = '3a12eab0-bca7-11e4-8dfc-aa07a5b093db'
const order: SegmentTrackInput = {
  event: 'Order Completed', userId: 'u-42', anonymousId,
  properties: { order_id: 'o-1001', total: 42.5, products: [{ sku: 'A', quantity: 2 }], note: null },
  context: { ip: '203.0.113.9', locale: 'en-GB' },
  timestamp: '2026-01-31T09:30:00Z',
  integrations: { All: true, Mixpanel: false },
}
const messages: SegmentBatchInput['batch'] = [
  { type: 'track', event: 'Signed Up', userId: 'u-1', messageId: 'import-1', properties: { plan: 'pro' } },
  { type: 'alias', userId: 'u-2', previousId: 'old-2' },
  { type: 'group', groupId: 'acme-7', anonymousId, traits: { seats: 5 } },
]

// @ts-expect-error an event has a name
const nameless: SegmentTrackInput = { userId: 'u-42' }
// @ts-expect-error and somebody's id
const nobodys: SegmentTrackInput = { event: 'E' }
// @ts-expect-error a track message has an event
const eventless: SegmentBatchInput['batch'] = [{ type: 'track', userId: 'u-1' }]
// @ts-expect-error an alias message has both ids
const halfAlias: SegmentBatchInput['batch'] = [{ type: 'alias', anonymousId }]
// @ts-expect-error an input has no members of its own devising
const misspelt: SegmentTrackInput = { event: 'E', userId: 'u-42', proprties: {} }

// good returns what an operation answered, or fails with the problem.
function good<T>(answer: { data?: T; error?: Problem }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error))
  return answer.data
}

// bad returns the problem that an operation must have answered with.
function bad(answer: { data?: unknown; error?: Problem }): Problem {
  if (answer.error === undefined) throw new Error(`accepted: ${JSON.stringify(answer.data)}`)
  return answer.error
}

const blocks: Block[] = good(await listBlocks()).blocks
const found = good(await listBlocks({ query: { search: 'previousId', tag: 'import' } })).blocks.map((b) => b.id)
const one = await getBlock({ path: { id: 'segment_track' } })
const block: Block = good(one)
const tag = one.response?.headers.get('ETag') ?? ''
const again = await getBlock({ path: { id: 'segment_track' }, headers: { 'If-None-Match': tag } })
const schemas = {
  input: good(await getSchema({ path: { id: 'segment_track', which: 'input' } })),
  output: good(await getSchema({ path: { id: 'segment_track', which: 'output' } })),
}
const codes: ErrorDoc['code'][] = good(await listErrors()).errors.map((e) => e.code)
const sent: 'no' | 'maybe' | 'yes' = good(await getError({ path: { code: 'rejected' } })).sent

const shown = good(await segmentTrackPreview({ body: { input: order } })).requests
const verdicts: Verdict[] = [
  good(await segmentTrackValidate({ body: { input: order } })),
  good(await segmentTrackValidate({ body: { input: { ...order, event: '' } } })),
  good(await segmentBatchValidate({ body: { input: { batch: [] } } })),
]
const judged = verdicts.map((v) => (v.valid ? 'valid' : `${v.code} ${v.violations[0]?.path} ${v.violations[0]?.code}`))

const once = { body: { input: order, source: 'prod' }, headers: { 'Idempotency-Key': 'order-o-1001' } }
const first = await segmentTrack(once)
const outputs = {
  segment_track: good(first).output,
  segment_identify: good(await segmentIdentify({ body: { input: { userId: 'u-42', traits: { email: 'jane@example.com', age: 42 }, context: { active: true } } } })).output,
  segment_page: good(await segmentPage({ body: { input: { anonymousId, name: 'Pricing', category: 'Docs', properties: { path: '/pricing' } } } })).output,
  segment_screen: good(await segmentScreen({ body: { input: { anonymousId, name: 'Cart' } } })).output,
  segment_group: good(await segmentGroup({ body: { input: { groupId: 'acme-7', userId: 'u-42', traits: { plan: 'enterprise' } } } })).output,
  segment_alias: good(await segmentAlias({ body: { input: { userId: 'u-42', previousId: anonymousId } } })).output,
  segment_batch: good(await segmentBatch({ body: { input: { batch: messages, context: { library: { name: 'importer' } } } } })).output,
}
const event: string | null = outputs.segment_track.event
const count: number = outputs.segment_batch.count
const receipts: Receipt[] = [good(first).receipt, good(await segmentTrack(once)).receipt]
const reused = bad(await segmentTrack({ ...once, body: { ...once.body, input: { ...order, event: 'Order Refunded' } } }))

const refused: Problem = bad(await segmentTrack({ body: { input: { ...order, event: '' } } }))
const keyless: Problem = bad(await segmentTrack({ body: { input: order, source: 'keyless' } }))

// A generator types the first media type of an answer. The other has a type of its own, and the generated client gets it.
async function result(input: SegmentTrackInput): Promise<SegmentTrackResult> {
  return good(await client.post<{ 200: SegmentTrackResult }, { default: Problem }>({
    url: '/v1/blocks/segment_track/invoke', body: { input },
    headers: { 'Content-Type': 'application/json', Accept: 'application/vnd.aacflow.result+json' },
  }))
}
const results = [await result({ event: 'Shape Asked For', userId: 'u-7' }), await result({ event: '', userId: 'u-7' })].map((r) =>
  r.success ? `yes ${r.output.event}` : `no ${r.output.code} ${r.output.violations[0]?.path} ${r.error}`)

process.stdout.write(JSON.stringify({
  ids: blocks.map((b) => b.id), found, name: block.name, example: block.examples[0]?.input, schemas, codes, sent,
  etag: { tag, status: again.response?.status, data: again.data ?? null },
  shown: shown.map((r) => `${r.method} ${r.header['Authorization']?.[0]} ${r.bytes === Buffer.byteLength(r.body)}`),
  judged, outputs, event, count, receipts,
  key: first.response?.headers.get('Idempotency-Key') ?? '',
  problems: [reused, refused, keyless].map((p) => ({ status: p.status, code: p.code, retryable: p.retryable, violations: p.violations })),
  results,
}))
void [nameless, nobodys, eventless, halfAlias, misspelt]
