// Stand-ins for tools that the fork has.
import type { ToolConfig } from '@/tools/types'

const request = { url: '', method: 'GET' as const, headers: () => ({}) }

export const airtableReadTool: ToolConfig = {
  id: 'airtable_read',
  name: 'Airtable Read',
  description: 'Reads a table',
  version: '1.0.0',
  params: {},
  request,
}

export const airtableWriteTool: ToolConfig = { ...airtableReadTool, id: 'airtable_write' }
