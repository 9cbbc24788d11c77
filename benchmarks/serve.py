"""Send 400 pictures from 8 clients at once to the app that `make_space` makes, on this machine.

Prints whether each was answered, pictures a second, median and 95th percentile of the time to an answer, and the app's peak memory.
"""
import os, socket, subprocess, sys, tempfile, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ['ORT_DISABLE_TELEMETRY'] = '1'
CLIENTS, PICTURES = 8, 400

def make_model(folder):  # Returns the pictures, a list of paths
    "Export the bundled network, with a random head as only time counts."
    from fastai.vision.all import ImageDataLoaders, Resize, vision_learner
    from fastlessons.vision.backbone import backbone
    from fastlessons.data import get_data
    from fastlessons.deploy.export import export_classifier
    files = sorted((get_data('pets', 'sample')/'images').glob('*.jpg'))
    dls = ImageDataLoaders.from_name_re(files[0].parent, files, r'^(.*)_\d+', item_tfms=Resize(160), num_workers=0)
    export_classifier(vision_learner(dls, backbone('resnet_mini'), pretrained=False), folder)
    return files

def start(space, tmp):  # Returns the process and its address
    "Start the app and wait until it answers."
    import requests
    with socket.create_server(('127.0.0.1', 0)) as s: port = s.getsockname()[1]
    env = dict(os.environ, GRADIO_SERVER_PORT=str(port), TMPDIR=str(tmp))
    app, url = subprocess.Popen([sys.executable, 'app.py'], cwd=space, env=env, stdout=subprocess.DEVNULL), f'http://127.0.0.1:{port}'
    while True:
        try: return requests.get(url+'/config', timeout=5) and (app, url)
        except requests.ConnectionError: time.sleep(.2)
        if app.poll() is not None: raise RuntimeError('The app did not start; its error is printed above.')

def ask(http, url, file):  # Returns (seconds, answered)
    "Upload a picture and wait for the answer, as the app's own page does."
    t = time.perf_counter()
    path = http.post(url+'/gradio_api/upload', files={'files': (file.name, file.read_bytes(), 'image/jpeg')}, timeout=60).json()[0]
    event = http.post(url+'/gradio_api/call/predict', json={'data': [{'path': path, 'meta': {'_type': 'gradio.FileData'}}]}, timeout=60).json()['event_id']
    text = http.get(f'{url}/gradio_api/call/predict/{event}', timeout=60).text
    return time.perf_counter()-t, 'event: complete' in text and '"confidences"' in text

def client(url, files):
    import requests
    with requests.Session() as http:
        http.trust_env = False
        return [ask(http, url, f) for f in files]

def main():
    import numpy as np, psutil
    from fastlessons.deploy.web import make_space
    with tempfile.TemporaryDirectory() as tmp:
        files = (make_model(Path(tmp)/'model')*2)[:PICTURES]
        app, url = start(make_space(Path(tmp)/'model', Path(tmp)/'space'), tmp)
        try:
            client(url, files[:8])   # the first answers are slower
            peak, done, watched = [0], threading.Event(), psutil.Process(app.pid)
            def watch():
                while not done.wait(.05): peak[0] = max(peak[0], watched.memory_info().rss)
            threading.Thread(target=watch, daemon=True).start()
            t = time.perf_counter()
            with ThreadPoolExecutor(CLIENTS) as pool: answers = sum(pool.map(lambda i: client(url, files[i::CLIENTS]), range(CLIENTS)), [])
            seconds = time.perf_counter()-t
            done.set()
        finally:
            app.terminate()
            app.wait()
    times, failed = np.array([s for s, _ in answers]), sum(not ok for _, ok in answers)
    print(f'{len(answers)} pictures from {CLIENTS} clients at once: {failed} failed, {len(answers)/seconds:.0f} a second, '
          f'median {1000*np.median(times):.0f} ms, 95 % within {1000*np.quantile(times, .95):.0f} ms, peak memory {peak[0]/1e6:.0f} MB')
    print(f'=> pictures answered a second (failed) | {len(answers)} pictures from {CLIENTS} clients at once | {len(answers)/seconds:.0f} ({failed}) | | ')
    if failed: sys.exit(1)

if __name__ == '__main__': main()
