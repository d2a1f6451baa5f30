import{l as c}from"./shared1.js";function f(e){if(!c(JSON.parse(e)))throw new SyntaxError("must be an object");let r=new Map,n=0,s=0,o;for(let t=0;t<e.length;t++){let i=e[t];if(i==='"'){let l=a(e,t);n===1&&o===void 0&&(o=JSON.parse(e.slice(t,l))),t=l-1}else if(i===":"&&n===1)s=t+1;else if(i==="{"||i==="[")n++;else if(i===","||i==="}"||i==="]"){if(n===1&&o!==void 0){if(r.has(o))throw new SyntaxError(`has the member ${JSON.stringify(o)} twice`);r.set(o,e.slice(s,t).trim()),o=void 0}i!==","&&n--}}return r}function a(e,r){let n=r+1;for(;e[n]!=='"';)n+=e[n]==="\\"?2:1;return n+1}function u(e){let r=[...e].map(([n,s])=>`  ${JSON.stringify(n)}: ${s.replaceAll(`
`,`
  `)}`);return r.length?`{
${r.join(`,
`)}
}`:"{}"}function g(e){let r=Array.from(new TextEncoder().encode(u(e)),n=>String.fromCharCode(n)).join("");return btoa(r).replaceAll("+","-").replaceAll("/","_").replaceAll("=","")}function h(e){try{let r=atob(e.replaceAll("-","+").replaceAll("_","/"));return f(new TextDecoder().decode(Uint8Array.from(r,n=>n.charCodeAt(0))))}catch{return}}export{f as a,u as b,g as c,h as d};
