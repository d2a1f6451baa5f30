import { ZoomBlock } from '@/blocks/blocks/zoom'
import type { BlockConfig } from '@/blocks/types'

export const registry: Record<string, BlockConfig> = {
  zoom: ZoomBlock,
}

export const getBlock = (type: string): BlockConfig | undefined => registry[type]
