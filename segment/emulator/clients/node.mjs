// Sends the calls it reads from stdin with @segment/analytics-node, and reports
// what the client said on stdout: {"errors": [...]}.
import { readFileSync } from 'node:fs'
import { Analytics } from '@segment/analytics-node'

const { url, writeKey, calls } = JSON.parse(readFileSync(0, 'utf8'))
const errors = []

const analytics = new Analytics({ writeKey, host: url, flushAt: 4, maxRetries: 0 })
analytics.on('error', (err) => errors.push(`${err.code}: ${err.reason}`))

for (const { type, ...call } of calls) {
  analytics[type](call, (err) => err && errors.push(String(err)))
}
await analytics.closeAndFlush({ timeout: 15_000 })
process.stdout.write(JSON.stringify({ errors }))
