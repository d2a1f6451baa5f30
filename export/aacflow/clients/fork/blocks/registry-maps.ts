import type { BlockConfig, BlockMeta } from '@/blocks/types'
// add: imports

export const blocks: Record<string, BlockConfig> = {
  // add: blocks
}

export const metas: Record<string, BlockMeta> = {
  // add: metas
}
