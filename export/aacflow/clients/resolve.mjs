// Finds @/x below the compiled fork, as the fork's own bundler does.
import { existsSync } from 'node:fs'

let root

export function initialize(data) {
  root = data.root
}

export function resolve(specifier, context, next) {
  if (!specifier.startsWith('@/')) return next(specifier, context)
  const path = specifier.slice(2)
  const file = new URL(`${path}.js`, root)
  return next(existsSync(file) ? file.href : new URL(`${path}/index.js`, root).href, context)
}
