import zmq

peer = zmq.Context().socket(zmq.REQ)
peer.connect("tcp://127.0.0.1:5555")
peer.send_string("stressed")
print(peer.recv_string())
