"""How a report looks: one style sheet for a screen, light or dark, and for paper."""

STYLE = """
:root{color-scheme:light dark;--sans:ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,
"Noto Sans","DejaVu Sans",sans-serif;--mono:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;
--paper:#fbfbfa;--card:#fff;--ink:#1d2129;--soft:#565e6c;--quiet:#757d8a;--line:#e3e5e9;--good:#18794e;--bad:#c2332b;
--warm:#fff6e5;--w0:#2563a8;--w1:#c4570c;--w2:#157f63;--w3:#8a4fb0;--w4:#a8324f;--w5:#6b6f1d;
--shade:0 1px 2px #0000000d,0 4px 14px #0000000a}
@media (prefers-color-scheme:dark){:root{--paper:#121419;--card:#1a1d24;--ink:#e7e9ee;--soft:#a9b1be;--quiet:#8a93a1;
--line:#2d323c;--good:#4cc38a;--bad:#ff7b72;--warm:#2a2419;--w0:#6cb0f5;--w1:#f2994a;--w2:#4fd1ab;--w3:#c79bea;
--w4:#f2859d;--w5:#c9cd67;--shade:none}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 var(--sans);-webkit-text-size-adjust:100%}
main{max-width:1180px;margin:0 auto;padding:2.6rem 1.5rem 4rem}
h1{font-size:2.1rem;line-height:1.15;letter-spacing:-.02em;margin:0 0 .35rem}
h2{font-size:1.4rem;letter-spacing:-.01em;margin:3.2rem 0 .5rem;padding-top:.4rem}
h3{font-size:1.02rem;margin:1.6rem 0 .5rem}
p{margin:.4rem 0 .9rem;max-width:74ch}
.lead,.note{color:var(--soft)}.note{font-size:.9rem}
code{font:.88em var(--mono);overflow-wrap:anywhere}
nav{display:flex;flex-wrap:wrap;gap:.25rem 1.1rem;margin:1.3rem 0 0;padding:.7rem 0;border-block:1px solid var(--line);
font-size:.92rem}
a{color:var(--w0);text-decoration:none}a:hover,a:focus-visible{text-decoration:underline}
.world{font-weight:600;white-space:nowrap}
.dot{display:inline-block;width:.68em;height:.68em;border-radius:50%;background:var(--c);margin-right:.42em}
.c0{--c:var(--w0)}.c1{--c:var(--w1)}.c2{--c:var(--w2)}.c3{--c:var(--w3)}.c4{--c:var(--w4)}.c5{--c:var(--w5)}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.3rem;margin:.3rem 0 .9rem;font-size:.92rem}
.card,.tile,.clip{background:var(--card);border:1px solid var(--line);border-radius:12px;box-shadow:var(--shade)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:.75rem;margin:1.5rem 0 .6rem}
.tile{padding:.85rem 1rem .8rem}.tile h3{margin:0 0 .3rem;font-size:.84rem;font-weight:600;color:var(--soft)}
.tile .v{display:block;font-size:1.55rem;font-weight:650;letter-spacing:-.02em;line-height:1.25;
font-variant-numeric:tabular-nums}
.tile.many .v{font-size:1.15rem}.tile .v .dot{width:.5em;height:.5em;vertical-align:.12em}
.tile small{display:block;color:var(--quiet);font-size:.8rem;margin-top:.15rem;line-height:1.4}
.scroll{overflow-x:auto;margin:.8rem 0 1.2rem}.scroll.card{padding:.3rem 1rem .7rem}
table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}
th,td{padding:.42rem .7rem .42rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
thead th{font-size:.84rem;color:var(--soft);font-weight:600;border-bottom-color:var(--quiet);vertical-align:bottom}
tbody th{font-weight:500}tr:last-child>*{border-bottom:0}
.group th{padding-top:1.15rem;font-weight:650;color:var(--ink);border-bottom-color:var(--quiet)}
td .b{font-weight:600;white-space:nowrap}td small,th small{display:block;color:var(--quiet);font-size:.8rem;
font-weight:400;line-height:1.42}td small{white-space:nowrap}th small{max-width:54ch}
.up{color:var(--good)}.down{color:var(--bad)}
.num,td.num{text-align:right}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(330px,1fr));gap:1rem}
.plot{margin:0;padding:.9rem 1rem .6rem}.plot figcaption{font-weight:600;font-size:.95rem;margin-bottom:.35rem}
.plot figcaption small{display:block;font-weight:400;color:var(--quiet);font-size:.82rem;line-height:1.4}
.plot svg{display:block;width:100%;height:auto}.plot svg *{stroke-linejoin:round;stroke-linecap:butt}
.clips{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,var(--wide,340px)),1fr));gap:1rem}
.clip{margin:0;padding:.8rem;break-inside:avoid;display:flex;flex-direction:column}
.panes{display:grid;font-size:.78rem;color:var(--soft);margin-bottom:.25rem;text-align:center}
.panes span{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.clip img{width:100%;height:auto;image-rendering:pixelated;border-radius:4px;display:block}
.clip figcaption{font-size:.86rem;line-height:1.45;margin-top:.55rem}.clip figcaption b{font-weight:650}
.clip .where{color:var(--quiet);display:block;font-size:.82rem;margin-top:.15rem}
.chip{display:inline-block;font-size:.74rem;font-weight:650;letter-spacing:.01em;border:1px solid currentColor;
border-radius:99px;padding:0 .55em;margin-right:.45em;color:var(--bad)}
.still{display:none!important}body:has(#hold:checked) .still{display:block!important}
body:has(#hold:checked) .moving{display:none!important}
.hold{display:inline-flex;gap:.45rem;align-items:center;font-size:.9rem;color:var(--soft);cursor:pointer}
.faults{list-style:none;margin:.4rem 0;padding:0}.faults li{padding:.55rem .9rem;margin:.45rem 0;border-radius:10px;
border:1px solid var(--line);border-left:4px solid var(--bad);background:var(--card)}
.faults li.fine{border-left-color:var(--good)}.faults b{margin-right:.5em}
.side{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));gap:1rem;align-items:start}
.side.wide{grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr));gap:0 1rem}
.confusion{table-layout:fixed}.confusion td{text-align:right;padding:.45rem .6rem;border:1px solid var(--card);
background:color-mix(in srgb,var(--c) calc(var(--s)*40%),transparent)}.confusion td.hit{outline:1.5px solid var(--c);
outline-offset:-1.5px}.confusion th{padding-left:.2rem}
.confusion th{border-bottom:0}.confusion small{white-space:normal;color:var(--soft)}
.confusion caption,.facts caption{caption-side:top;text-align:left;font-weight:600;font-size:.95rem;
padding:.5rem 0 .2rem}
.facts th{width:30%;color:var(--soft);font-weight:500}.facts td{overflow-wrap:anywhere}
.warn{background:var(--warm);border:1px solid var(--line);border-radius:10px;padding:.6rem .95rem;margin:.8rem 0;
font-size:.93rem;max-width:none}
footer{margin-top:3.5rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--quiet);font-size:.86rem}
@media (prefers-reduced-motion:reduce){.moving{display:none!important}.still{display:block!important}
.hold{display:none}}
@media (max-width:640px){main{padding:1.6rem 1rem 3rem}h1{font-size:1.6rem}.tile .v{font-size:1.3rem}
td small{white-space:normal}}
@media print{@page{size:A4;margin:15mm 13mm}
:root{--paper:#fff;--card:#fff;--ink:#16191f;--soft:#474e5a;--quiet:#656d79;--line:#d8dbe0;--good:#18794e;--bad:#b3261e;
--warm:#fff8ea;--w0:#2563a8;--w1:#c4570c;--w2:#157f63;--w3:#8a4fb0;--w4:#a8324f;--w5:#6b6f1d;--shade:none;
color-scheme:light}
body{font-size:10pt;-webkit-print-color-adjust:exact;print-color-adjust:exact}main{max-width:none;padding:0}
nav,.hold,.moving{display:none!important}.still{display:block!important}
h1{font-size:21pt}h2{font-size:14pt;margin-top:1.6rem;break-after:avoid}h3{break-after:avoid}
section.page{break-before:page}.plots{grid-template-columns:repeat(2,1fr)}.tiles{grid-template-columns:repeat(3,1fr)}
.clips{grid-template-columns:repeat(var(--printed,2),1fr);gap:.6rem}
.tile,.clip,.plot,tr,.faults li,.card:has(.confusion),.card:has(.facts){break-inside:avoid}
.side.wide{grid-template-columns:repeat(2,1fr)}.scroll{overflow:visible}
.measures tbody th{width:44%}.clip figcaption{font-size:8pt}.clip .where,.panes{font-size:7pt}
table{font-size:9pt}thead{display:table-header-group}
a{color:inherit}}
"""
