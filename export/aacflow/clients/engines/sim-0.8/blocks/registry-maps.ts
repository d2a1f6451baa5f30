import { AirtableBlock, AirtableBlockMeta } from '@/blocks/blocks/airtable'
import { ZoomBlock } from '@/blocks/blocks/zoom'
import type { BlockConfig, BlockMeta } from '@/blocks/types'

export const BLOCK_REGISTRY: Record<string, BlockConfig> = {
  airtable: AirtableBlock,
  zoom: ZoomBlock,
}

export const BLOCK_META_REGISTRY: Record<string, BlockMeta> = {
  airtable: AirtableBlockMeta,
}
