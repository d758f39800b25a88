// The page reads without this. It marks the section in view in the table of contents, lets one initialisation stand
// out in the pictures, and opens what is folded before printing.
(() => {
  'use strict';
  const main = document.querySelector('main');
  const links = new Map([...document.querySelectorAll('nav.contents a')].map((a) => [a.hash.slice(1), a]));

  if ('IntersectionObserver' in window) {
    const observer = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        links.forEach((link) => link.removeAttribute('aria-current'));
        links.get(entry.target.id).setAttribute('aria-current', 'true');
      }
    }, { rootMargin: '0px 0px -75% 0px' });
    links.forEach((link, id) => observer.observe(document.getElementById(id)));
  }

  const choose = (style) => {
    const chosen = main.dataset.only === style ? undefined : style;
    if (chosen === undefined) delete main.dataset.only;
    else main.dataset.only = chosen;
    document.querySelectorAll('.legend button').forEach((button) => {
      button.setAttribute('aria-pressed', String(button.dataset.style === chosen));
    });
  };
  document.querySelectorAll('.legend li[data-style]').forEach((item) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.dataset.style = item.dataset.style;
    button.title = 'Let it stand out in the pictures';
    button.setAttribute('aria-pressed', 'false');
    button.append(...item.childNodes);
    button.addEventListener('click', () => choose(button.dataset.style));
    item.append(button);
  });

  const openHash = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    const folded = target && target.closest('details');
    if (folded) { folded.open = true; target.scrollIntoView(); }
  };
  window.addEventListener('hashchange', openHash);
  openHash();

  let opened = [];
  window.addEventListener('beforeprint', () => {
    opened = [...document.querySelectorAll('details:not([open])')];
    opened.forEach((details) => { details.open = true; });
  });
  window.addEventListener('afterprint', () => opened.forEach((details) => { details.open = false; }));
})();
