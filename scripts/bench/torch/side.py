# PyTorch's side of the bench: one request per line of stdin, one answer per line of stdout, both JSON.
# Requests: {"do": "open", "job"}, {"do": "run", "times"}, {"do": "peak"}, {"do": "state"}; the end of stdin ends it.
import json
import sys
import time
import traceback


def peak_megabytes():
    """Most memory this process ever held, compilers in processes of their own not counted."""
    try:
        with open("/proc/self/status", encoding="utf8") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return None


def answers():
    work = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "open":
            # Here, so that what is wrong with the installation is an answer, too.
            from work import open_work

            idle = peak_megabytes()
            work = open_work(request["job"])
            yield {"macs": None, "idleMegabytes": idle}
        elif request["do"] == "run":
            milliseconds, results = [], []
            for _ in range(request["times"]):
                start = time.perf_counter()
                results.append(work.run())
                milliseconds.append(1000 * (time.perf_counter() - start))
            yield {"milliseconds": milliseconds, "results": results}
        elif request["do"] == "peak":
            yield {"megabytes": peak_megabytes()}
        elif request["do"] == "state":
            yield {"state": work.state()}
        else:
            raise ValueError(f"no request {request['do']}")


def main():
    answer = sys.stdout
    # What libraries print is no answer.
    sys.stdout = sys.stderr
    try:
        for found in answers():
            print(json.dumps(found), file=answer, flush=True)
    except Exception as error:
        traceback.print_exc()
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), file=answer, flush=True)
        sys.exit(1)


main()
