// A stand-in for a block that the fork has.
import { EnvelopeIcon } from '@/components/icons'
import type { BlockConfig } from '@/blocks/types'

export const ZoomBlock: BlockConfig = {
  type: 'zoom',
  name: 'Zoom',
  description: 'Lists meetings',
  category: 'tools',
  bgColor: '#000000',
  icon: EnvelopeIcon,
  subBlocks: [],
  tools: { access: ['zoom_list'] },
  inputs: {},
  outputs: {},
}
