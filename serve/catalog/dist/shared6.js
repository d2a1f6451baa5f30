import{e as t,g as r}from"./shared1.js";function c(n){let e=r(null);return t(()=>{n&&e.current.getBoundingClientRect().top>innerHeight-100&&e.current.scrollIntoView()},[n]),e}export{c as a};
