import type { SVGProps } from 'react'

export function EnvelopeIcon(props: SVGProps<SVGSVGElement>) {
  return (
    <svg
      {...props}
      viewBox='0 0 24 24'
      fill='currentColor'
      xmlns='http://www.w3.org/2000/svg'
    >
      <path d='M3 5h18v14H3z' />
    </svg>
  )
}
