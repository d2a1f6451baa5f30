// Sends the events on stdin with @segment/analytics-node. Prints the wall-clock time and the CPU
// time in seconds, and the peak memory of the process in bytes.
import { readFileSync } from 'node:fs'
import { Analytics } from '@segment/analytics-node'

const { url, writeKey, flushAt, events } = JSON.parse(readFileSync(0, 'utf8'))
const errors = []

const began = performance.now()
const before = process.cpuUsage()
const analytics = new Analytics({ writeKey, host: url, flushAt })
analytics.on('error', (err) => errors.push(`${err.code}: ${err.reason}`))
for (const event of events) {
  analytics.track(event)
}
await analytics.closeAndFlush({ timeout: 300_000 })
const { user, system } = process.cpuUsage(before)
process.stdout.write(JSON.stringify({
  wall: (performance.now() - began) / 1000,
  cpu: (user + system) / 1e6,
  peak: process.resourceUsage().maxRSS * 1024,
  errors,
}))
