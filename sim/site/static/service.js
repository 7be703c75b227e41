// Keeps every file of the site at the first visit, so that it opens without a network. The build puts VERSION and FILES
// in front of this text. Files are fetched one by one: many at once were seen to hang in a slow browser.
const CACHE = `edgetpusim-${VERSION}`;

async function keepAll() {
  const cache = await caches.open(CACHE);
  for (const name of FILES) {
    if (!(await cache.match(name))) await cache.put(name, await fetch(name, { cache: "no-cache" }));
  }
  await skipWaiting();
}

async function forgetOld() {
  for (const name of await caches.keys()) {
    if (name.startsWith("edgetpusim-") && name !== CACHE) await caches.delete(name);
  }
  await clients.claim();
}

async function answered(request) {
  const cache = await caches.open(CACHE);
  return (await cache.match(request, { ignoreSearch: true })) ?? fetch(request);
}

addEventListener("install", (event) => event.waitUntil(keepAll()));
addEventListener("activate", (event) => event.waitUntil(forgetOld()));
addEventListener("fetch", (event) => {
  const isOurs = new URL(event.request.url).origin === location.origin && event.request.method === "GET";
  if (isOurs) event.respondWith(answered(event.request));
});
