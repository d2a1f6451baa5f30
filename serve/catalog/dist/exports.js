import{a,c as l}from"./shared3.js";import{a as m}from"./shared12.js";import{f as i}from"./shared10.js";import{M as p,s as c}from"./shared1.js";function f(t){return p(m(t.input),t.source)}function g(t){return`#!/bin/sh
${t.map(n=>`${l(c(`v1/blocks/${n.block}/invoke`),f(n))}
`).join(`
`)}`}function b(t){return t.map(o=>`${JSON.stringify(o)}
`).join("")}function k(t){let o=t.map((e,s)=>{let r=e.source&&!e.emulated?` --source ${a(e.source)}`:"";return`${e.outcome.ok?"":"! "}exec segment-blocks run ${e.block}${r} --input @${s+1}.json
`}),n=t.map((e,s)=>`-- ${s+1}.json --
${e.input.trim()}
`);return`${o.join("")}
${n.join("")}`}function $(t){let o=t.map(n=>{let e=f(n),{ok:s}=n.outcome,r=n.outcome.ok?n.outcome.output:JSON.stringify(n.outcome.problem),d=n.outcome.ok?200:n.outcome.problem.status,u={httpVersion:"HTTP/1.1",cookies:[],headersSize:-1};return{startedDateTime:new Date(n.at).toISOString(),time:n.ms,request:{...u,method:"POST",url:c(`v1/blocks/${n.block}/invoke`),queryString:[],bodySize:e.length,headers:[{name:"Content-Type",value:"application/json"}],postData:{mimeType:"application/json",text:e}},response:{...u,status:d,statusText:"",headers:[],redirectURL:"",bodySize:-1,content:{size:r.length,mimeType:s?"application/json":"application/problem+json",text:r}},cache:{},timings:{send:0,wait:n.ms,receive:0}}});return JSON.stringify({log:{version:"1.2",creator:{name:"segment-blocks",version:"1"},entries:o}},null,2)}function O(t,o){t==="testscript"&&i("runs.txtar",k(o),"text/plain"),t==="curl"&&i("runs.sh",g(o),"text/x-shellscript"),t==="HAR"&&i("runs.har",$(o)),t==="NDJSON"&&i("runs.ndjson",b(o),"application/x-ndjson")}export{O as save};
