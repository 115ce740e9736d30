"""A headless Chromium, spoken to through chromedriver (W3C WebDriver), with nothing but Python itself."""

import base64
import json
import os
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = 'element-6066-11e4-a52e-4f735466cecf'


class Browser:
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.driver = subprocess.Popen(['chromedriver', '--port=0'], stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, text=True, start_new_session=True)
        for line in self.driver.stdout:
            if found := re.search(r'successfully on port (\d+)', line):
                self.base = f'http://127.0.0.1:{found[1]}'
                break
        arguments = ['--headless=new', '--disable-gpu', '--disable-dev-shm-usage', '--window-size=1280,900',
                     '--lang=en-GB', '--hide-scrollbars', '--disable-background-networking', '--no-first-run',
                     f'--user-data-dir={self.folder.name}', '--enable-precise-memory-info']
        if os.geteuid() == 0:
            arguments.append('--no-sandbox')
        answer = self.ask('POST', '/session', {'capabilities': {'alwaysMatch': {
            'goog:chromeOptions': {'args': arguments, 'binary': '/usr/bin/chromium'},
            'goog:loggingPrefs': {'browser': 'ALL'}}}})
        self.session = f"/session/{answer['sessionId']}"
        self.base_language = 'en-GB'

    def ask(self, method, path, body=None):
        request = urllib.request.Request(self.base + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={'Content-Type': 'application/json'})
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                return json.load(reply)['value']
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)['value']['message']) from None

    def post(self, path, body=None):
        return self.ask('POST', self.session + path, body or {})

    def close(self):
        try:
            self.ask('DELETE', self.session)
        finally:
            self.driver.terminate()
            self.driver.wait()
            self.driver.stdout.close()
            self.folder.cleanup()

    def open(self, url):
        self.post('/url', {'url': url})

    def run(self, script, *arguments):
        return self.post('/execute/sync', {'script': script, 'args': list(arguments)})

    def devtools(self, command, **parameters):
        return self.post('/goog/cdp/execute', {'cmd': command, 'params': parameters})

    def until(self, script, *arguments, within=30):
        """What `script` returns, once that is true."""
        end = time.monotonic() + within
        while True:
            value = self.run(script, *arguments)
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f'did not come true: {script} {arguments}\n{self.text()[:2000]}')
            time.sleep(0.05)

    def text(self):
        return self.run('return document.body.innerText')

    def see(self, text, within=30):
        self.until('return document.body.innerText.includes(arguments[0])', text, within=within)

    def find(self, selector):
        self.until('return document.querySelector(arguments[0]) !== null', selector)
        return self.post('/element', {'using': 'css selector', 'value': selector})[ELEMENT]

    def click(self, selector):
        # The page may draw the element anew between the finding and the click, as it does when news come.
        for attempts_left in (3, 2, 1, 0):
            try:
                return self.post(f'/element/{self.find(selector)}/click')
            except RuntimeError as error:
                if 'stale element' not in str(error) or not attempts_left:
                    raise

    def click_text(self, selector, text):
        self.until('''const found = [...document.querySelectorAll(arguments[0])].find((each) => each.textContent.includes(arguments[1]));
            if (found) found.click();
            return Boolean(found)''', selector, text)

    def write(self, selector, text):
        element = self.find(selector)
        self.post(f'/element/{element}/clear')
        self.post(f'/element/{element}/value', {'text': text})

    def choose(self, selector, value):
        self.until('''const box = document.querySelector(arguments[0]);
            if (!box || ![...box.options].some((each) => each.value === arguments[1])) return false;
            box.value = arguments[1];
            box.dispatchEvent(new Event('change', {bubbles: true}));
            return true''', selector, value)

    def press(self, *keys):
        actions = [{'type': kind, 'value': key} for key in keys for kind in ('keyDown', 'keyUp')]
        self.post('/actions', {'actions': [{'type': 'key', 'id': 'keys', 'actions': actions}]})

    def console(self):
        return self.post('/se/log', {'type': 'browser'})

    def screenshot(self, path):
        with open(path, 'wb') as file:
            file.write(base64.b64decode(self.ask('GET', self.session + '/screenshot')))

    def dark(self, yes):
        self.devtools('Emulation.setEmulatedMedia',
                      features=[{'name': 'prefers-color-scheme', 'value': 'dark' if yes else 'light'}])

    def phone(self, yes):
        if yes:
            self.devtools('Emulation.setDeviceMetricsOverride', width=390, height=844, deviceScaleFactor=2, mobile=True)
        else:
            self.devtools('Emulation.clearDeviceMetricsOverride')

    def speak(self, language):
        agent = self.run('return navigator.userAgent')
        self.devtools('Emulation.setUserAgentOverride', userAgent=agent, acceptLanguage=language)


class House:
    """The page's daemon (house.cpp), which does what it is told."""

    def __init__(self, program, *words):
        self.program = subprocess.Popen([program, *map(str, words)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        address, last = self.program.stdout.readline().split()
        self.url = f'http://{address}/'
        self.last = int(last)  # the newest run, which was published; denied and failed ones before it

    def tell(self, *words):
        self.program.stdin.write(' '.join(map(str, words)) + '\n')
        self.program.stdin.flush()
        return self.program.stdout.readline().strip()

    def close(self):
        self.program.stdin.close()
        self.program.wait(20)
        self.program.stdout.close()
