// Sends the calls it reads from stdin with @segment/analytics-next, from a page
// in a real Chromium, and reports on stdout what the client, the console and the
// network said: {"errors": [...]}.
import { readFileSync } from 'node:fs'
import { chromium } from 'playwright-core'

const input = JSON.parse(readFileSync(0, 'utf8'))
const errors = []

const browser = await chromium.launch({
  executablePath: input.chromium,
  headless: true,
  chromiumSandbox: false,
  args: [
    '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
})
try {
  const page = await browser.newPage()
  page.setDefaultTimeout(20_000)
  page.on('pageerror', (err) => errors.push(`page: ${err.message}`))
  page.on('console', (msg) => ['error', 'warning'].includes(msg.type()) && errors.push(`console: ${msg.text()}`))
  page.on('requestfailed', (req) => errors.push(`network: ${req.method()} ${req.url()}: ${req.failure()?.errorText}`))

  await page.goto(input.page)
  const said = await page.evaluate(async ({ url, writeKey, calls, options }) => {
    const errors = []
    const analytics = window.AnalyticsNext.AnalyticsBrowser.load({ writeKey, cdnURL: url }, options)
    analytics.on('error', (err) => errors.push(`${err.code}: ${err.reason}`))
    await analytics
    const sent = calls.map((call) => {
      const { context, integrations, timestamp, anonymousId, userId } = call
      const opts = { context, integrations, timestamp, anonymousId, userId }
      switch (call.type) {
        case 'identify': return analytics.identify(userId, call.traits, opts)
        case 'track': return analytics.track(call.event, call.properties, opts)
        case 'page': return analytics.page(call.category, call.name, call.properties, opts)
        case 'screen': return analytics.screen(call.category, call.name, call.properties, opts)
        case 'group': return analytics.group(call.groupId, call.traits, opts)
        case 'alias': return analytics.alias(userId, call.previousId, opts)
      }
      throw new Error(`no such call: ${call.type}`)
    })
    for (const ctx of await Promise.all(sent)) {
      const failure = ctx.failedDelivery?.()
      if (failure) errors.push(`not delivered: ${failure.reason}`)
    }
    return errors
  }, input)
  errors.push(...said)
  if (input.leave) {
    // What a page still holds when it is left must arrive all the same.
    await page.goto('about:blank')
  }
} finally {
  await browser.close()
}
process.stdout.write(JSON.stringify({ errors }))
