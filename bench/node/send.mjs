// Sends the events it reads from stdin with @segment/analytics-node, and prints how long that took.
import { readFileSync } from 'node:fs'
import { Analytics } from '@segment/analytics-node'

const { url, writeKey, flushAt, events } = JSON.parse(readFileSync(0, 'utf8'))
const errors = []

const begin = performance.now()
const analytics = new Analytics({ writeKey, host: url, flushAt })
analytics.on('error', (err) => errors.push(`${err.code}: ${err.reason}`))
for (const event of events) {
  analytics.track(event)
}
await analytics.closeAndFlush({ timeout: 300_000 })
process.stdout.write(JSON.stringify({ seconds: (performance.now() - begin) / 1000, errors }))
