// A stand-in for a block that the fork has, with its catalog entry.
import { ZoomBlock } from '@/blocks/blocks/zoom'
import type { BlockConfig, BlockMeta } from '@/blocks/types'

export const AirtableBlock: BlockConfig = { ...ZoomBlock, type: 'airtable', name: 'Airtable' }

export const AirtableBlockMeta = { tags: ['events'] } as const satisfies BlockMeta
