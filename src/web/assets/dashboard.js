// Keeps a page of the dashboard live. The service draws every page, with or without this script; here
// a page is fetched again when the stream says that something changed, and what differs is taken over.

const root = document.documentElement
const banner = document.getElementById('lost')
root.classList.add('script')

/* What the house says. */

const BEAT = 2 // seconds between two signs of life that we ask for
const SILENT = 5_000 // ms without one: the connection is lost
const GIVE_UP = 10_000 // ms: another connection is tried

let stream, heard = 0, since = Date.now(), ahead = 0, last

function listen() {
  stream?.close()
  since = Date.now()
  const after = last ? `&after=${last}` : ''
  stream = new EventSource(`/api/v1/stream?alive=${BEAT}${after}`)
  stream.onmessage = event => { last = event.lastEventId; alive(); refreshSoon() }
  stream.addEventListener('status', () => { alive(); refreshSoon() })
  stream.addEventListener('alive', event => {
    ahead = Date.parse(JSON.parse(event.data)) - Date.now()
    alive()
  })
  stream.onerror = () => {
    lost()
    // It was refused. Asked for its page, the house says where to: the session may have ended.
    if (stream.readyState === EventSource.CLOSED) refreshSoon()
  }
}

function alive() {
  heard = Date.now()
  if (root.dataset.link === 'lost') refreshSoon()
}

function lost() {
  if (root.dataset.link === 'lost') return
  root.dataset.link = 'lost'
  const asOf = new Date(Number(shown) + ahead).toLocaleTimeString()
  banner.textContent = `Connection lost. This is how it was at ${asOf}. Trying again …`
  banner.hidden = false
}

function live() {
  if (root.dataset.link === 'live' || Date.now() - heard > SILENT) return
  root.dataset.link = 'live'
  banner.hidden = true
  document.getElementById('link-words').textContent = 'Live'
}

/* The page, fetched again. */

let shown = Date.now(), wanted = false, fetching = false, quiet = 0

function refreshSoon() {
  wanted = true
  if (!fetching) refresh()
}

async function refresh() {
  fetching = true
  while (wanted && !document.hidden) {
    wanted = false
    const asked = quiet
    try {
      const url = new URL(location.href)
      url.searchParams.delete('done')
      const answer = await fetch(url, { headers: { accept: 'text/html' }, signal: AbortSignal.timeout(SILENT) })
      if (answer.redirected || answer.status === 401) { location.reload(); return }
      const page = await answer.text()
      if (!answer.ok) throw new Error(page)
      // What a form was answered meanwhile is newer.
      if (asked === quiet) take(page, true)
      live()
    } catch { lost() }
    await new Promise(done => setTimeout(done, 250))
  }
  fetching = false
}

// Answers whether it was a page: an error may be none.
function take(html, keepNotice) {
  const page = new DOMParser().parseFromString(html, 'text/html')
  if (!page.querySelector('main')) return false
  const notice = document.getElementById('notice')
  if (keepNotice && notice) page.getElementById('notice')?.remove()
  if (keepNotice && notice) page.querySelector('main').prepend(notice.cloneNode(true))
  document.title = page.title
  for (const part of ['header .chip', 'nav', 'main', 'footer'])
    become(document.querySelector(part), page.querySelector(part))
  shown = Date.now()
  tick()
  return true
}

function refused(words) {
  document.getElementById('notice')?.remove()
  const notice = document.createElement('div'), text = document.createElement('p')
  Object.assign(notice, { id: 'notice', className: 'notice bad', role: 'alert' })
  text.textContent = words
  notice.append(text)
  document.querySelector('main').prepend(notice)
}

function errorOf(body) {
  try { return JSON.parse(body).error } catch { return 'The house did not answer. Look whether it was done.' }
}

// Makes `old` what `now` is, and touches nothing that is the same: focus, what was typed, and photos
// stay, and a screen reader hears what changed. What this script says itself (`data-own`) stays too.
function become(old, now) {
  if (!old || !now || old.isEqualNode(now) || 'own' in (old.dataset ?? {})) return
  if (old.nodeType !== Node.ELEMENT_NODE) { old.data = now.data; return }
  for (const { name } of [...old.attributes])
    if (!now.hasAttribute(name) && !(name === 'open' && old.matches('details')) && name !== 'aria-busy') old.removeAttribute(name)
  for (const { name, value } of now.attributes)
    if (old.getAttribute(name) !== value) old.setAttribute(name, value)
  const named = new Map([...old.children].filter(it => it.id).map(it => [it.id, it]))
  let at = old.firstChild
  for (const next of [...now.childNodes]) {
    const alike = it => it && it.nodeType === next.nodeType && it.nodeName === next.nodeName && !it.id
    const here = next.id ? named.get(next.id) : alike(at) ? at : undefined
    if (!here || here.nodeName !== next.nodeName) { old.insertBefore(next, at); continue }
    if (here !== at) old.insertBefore(here, at)
    become(here, next)
    at = here.nextSibling
  }
  while (at) { const gone = at; at = at.nextSibling; gone.remove() }
}

/* Time. */

function tick() {
  for (const it of document.querySelectorAll('[data-until]')) {
    const left = Math.max(0, Math.round((Date.parse(it.dataset.until) - Date.now() - ahead) / 1000))
    const words = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`
    if (it.textContent !== words) it.textContent = words
  }
}

setInterval(() => {
  if (document.hidden) return
  tick()
  const now = Date.now()
  if (now - Math.max(heard, since) > SILENT) lost()
  if (now - Math.max(heard, since) > GIVE_UP || (stream.readyState === EventSource.CLOSED && now - since > 2_000)) listen()
  // "3 min ago" is the service's word.
  if (now - shown > 30_000 && root.dataset.link === 'live') refreshSoon()
}, 1_000)

document.addEventListener('visibilitychange', () => {
  if (document.hidden) { stream.close(); return }
  if (Date.now() - shown > 3_000) lost()
  listen()
  refreshSoon()
})

/* Forms: the same that work without a script, without a new page. */

document.addEventListener('submit', async event => {
  const form = event.target
  if (form.getAttribute('action') !== '/act' || form.method !== 'post') return
  event.preventDefault()
  if (form.ariaBusy === 'true' || (form.dataset.ask && !confirm(form.dataset.ask))) return
  const fields = new FormData(form, event.submitter)
  form.ariaBusy = 'true'
  try {
    if (form.dataset.teach) { await teach(form.dataset.teach, fields); return }
    quiet++
    const answer = await fetch('/act', { method: 'POST', body: new URLSearchParams(fields), headers: { accept: 'text/html' } })
    const path = new URL(answer.url).pathname
    if (answer.redirected && path !== location.pathname) { location.assign(answer.url); return }
    const html = await answer.text()
    quiet++
    if (answer.ok) form.reset()
    else form.querySelectorAll('[type="password"]').forEach(it => { it.value = '' })
    if (!take(html, false)) refused(errorOf(html))
    fading = null // a new word in the place of an old one
    document.getElementById('notice')?.scrollIntoView({ block: 'nearest' })
  } catch { lost() } finally { form.ariaBusy = null }
})

// A good word goes by itself, a bad one stays until the next deed.
let fading = null
setInterval(() => {
  const notice = document.querySelector('#notice.well')
  if (notice && notice === fading) notice.remove()
  fading = document.querySelector('#notice.well')
}, 4_000)

document.addEventListener('click', event => {
  const key = event.target.closest('[data-key]')?.dataset.key
  if (!key) return
  const pin = document.querySelector('#pin [name="pin"]')
  pin.value = key === 'clear' ? '' : (pin.value + key).slice(0, pin.maxLength)
})

document.addEventListener('change', event => event.target.form?.id === 'filter' && event.target.form.requestSubmit())

// A photo may be announced a moment before its file is there.
document.addEventListener('error', event => {
  const img = event.target
  const tries = Number(img.dataset?.tries ?? 0)
  if (img.nodeName !== 'IMG' || tries >= 5) return
  img.dataset.tries = tries + 1
  setTimeout(() => { img.src = img.getAttribute('src') }, 500 * (tries + 1))
}, true)

/* A finger, touch by touch; a face, view by view. */

const STEPS = {
  finger: {
    lay: 'Lay the finger on the reader.', lift: 'Lift it.', 'lay-again': 'Lay the same finger once more.',
    unreadable: 'It could not be read: clean it, and lay it flat.',
    different: 'The two touches were different: from the beginning.',
  },
  face: {
    straight: 'Look straight into the camera.', left: 'Turn a little to your left.', right: 'Turn a little to your right.',
    up: 'Lift your chin a little.', down: 'Lower your chin a little.', good: 'That is a good one.',
  },
}

async function teach(what, fields) {
  const step = document.getElementById(`${what}-step`)
  const name = fields.get('name')
  step.textContent = 'One moment …'
  const token = document.querySelector('meta[name="csrf-token"]')?.content
  const answer = await fetch(`/api/v1/people/${encodeURIComponent(name)}/${what}`, {
    method: 'POST', body: JSON.stringify(what === 'finger' ? { duress: fields.has('duress') } : {}),
    headers: { 'content-type': 'application/json', ...(token && { 'x-csrf-token': token }) },
  })
  if (!answer.ok) { step.textContent = (await answer.json()).error; return }
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  for (let text = ''; ;) {
    const { value, done } = await reader.read()
    if (done) return
    const lines = (text + value).split('\n')
    text = lines.pop()
    for (const line of lines.filter(it => it.startsWith('data:'))) {
      const said = JSON.parse(line.slice(5))
      step.textContent = said.done ? [`${name} is known by this ${what} now.`, said.warning].filter(Boolean).join(' ')
        : said.error ?? said.why ?? STEPS[what][said[what]]
    }
  }
}

if (document.body.dataset.now) {
  ahead = Date.parse(document.body.dataset.now) - Date.now()
  listen()
}
