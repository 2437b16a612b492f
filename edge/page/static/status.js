// Renews the page every two seconds and sounds while an alarm is active. A mute ends by itself, and at once for a newer alarm.
"use strict";
(() => {
  const live = document.getElementById("live");
  const lost = document.getElementById("lost");
  const button = document.getElementById("sounder");
  const MUTE_MS = 5 * 60 * 1000;
  // seconds between beeps, hertz, beeps in a row
  const PATTERNS = { life_safety: [1, 988, 3], critical: [3, 880, 2], major: [8, 660, 1] };
  let audio = null;
  let mutedUntil = 0;
  let mutedNewest = 0;
  let next = 0;

  function beep(hertz, times) {
    for (let i = 0; i < times; i += 1) {
      const tone = audio.createOscillator();
      const gain = audio.createGain();
      const at = audio.currentTime + i * 0.25;
      tone.frequency.value = hertz;
      gain.gain.setValueAtTime(0.0001, at);
      gain.gain.exponentialRampToValueAtTime(0.4, at + 0.02);
      gain.gain.exponentialRampToValueAtTime(0.0001, at + 0.2);
      tone.connect(gain).connect(audio.destination);
      tone.start(at);
      tone.stop(at + 0.22);
    }
  }

  function now() {
    const sound = document.getElementById("sound");
    return { loudest: sound.dataset.loudest, newest: Number(sound.dataset.newest) };
  }

  function isMuted(state) {
    return Date.now() < mutedUntil && state.newest <= mutedNewest;
  }

  function sounder() {
    const state = now();
    if (audio) {
      const pattern = PATTERNS[state.loudest];
      const until = new Date(mutedUntil).toLocaleTimeString("en-GB", { timeZone: button.dataset.zone });
      const label = isMuted(state) ? `${button.dataset.muted} ${until}` : pattern ? button.dataset.mute : button.dataset.on;
      if (button.textContent !== label) button.textContent = label;
      if (pattern && !isMuted(state) && Date.now() >= next) {
        next = Date.now() + pattern[0] * 1000;
        beep(pattern[1], pattern[2]);
      }
    }
  }

  button.addEventListener("click", () => {
    if (!audio) {
      audio = new AudioContext();
      beep(660, 1);
      return;
    }
    const state = now();
    mutedUntil = isMuted(state) ? 0 : Date.now() + MUTE_MS;
    mutedNewest = state.newest;
    sounder();
  });

  async function renew() {
    try {
      const answer = await fetch("/live", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      if (answer.status === 401) { location.assign("/sign-in"); return; }
      if (!answer.ok) throw new Error(String(answer.status));
      const text = await answer.text();
      if (live.innerHTML !== text) live.innerHTML = text;
      lost.hidden = true;
    } catch {
      lost.hidden = false;
    }
    setTimeout(renew, 2000);
  }

  setTimeout(renew, 2000);
  setInterval(sounder, 250);
})();
