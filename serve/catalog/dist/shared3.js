import{u as i}from"./shared1.js";function t(n){return`'${n.replaceAll("'","'\\''")}'`}function u(n,...r){return i()&&r.unshift('-H "Authorization: Bearer $SEGMENT_BLOCKS_TOKEN"'),[`curl -sS ${t(n)}`,...r].join(` \\
  `)}function c(n,r,...e){let o=["Content-Type: application/json",...e].map(s=>`-H ${t(s)}`);return u(n,...o,`-d ${t(r)}`)}export{t as a,u as b,c};
