"""The messages of the Open Inference Protocol over gRPC, made from their field numbers.

The protocol is a table of names and numbers; building the descriptors from it here leaves no
generated code in the project. https://github.com/kserve/open-inference-protocol names them, and
KServe and Triton name those of the model repository. A load request holds the model's name in
field 1 by KServe's count and in field 2 by Triton's; both are read.
"""

from __future__ import annotations

from everloop.deploy.wire import messages

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"

_TENSOR = "string name 1; string datatype 2; repeated int64 shape 3"
_PARAMETERS = "map InferParameter parameters"
_MESSAGES = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "bool live 1",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "bool ready 1",
    "ModelReadyRequest": "string name 1; string version 2",
    "ModelReadyResponse": "bool ready 1",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": "string name 1; string version 2; repeated string extensions 3",
    "ModelMetadataRequest": "string name 1; string version 2",
    "TensorMetadata": _TENSOR,
    "ModelMetadataResponse": (
        "string name 1; repeated string versions 2; string platform 3; "
        "repeated TensorMetadata inputs 4; repeated TensorMetadata outputs 5"
    ),
    "InferParameter": (
        "oneof bool bool_param 1; oneof int64 int64_param 2; oneof string string_param 3; "
        "oneof double double_param 4; oneof uint64 uint64_param 5"
    ),
    "InferTensorContents": (
        "repeated bool bool_contents 1; repeated int32 int_contents 2; "
        "repeated int64 int64_contents 3; repeated uint32 uint_contents 4; "
        "repeated uint64 uint64_contents 5; repeated float fp32_contents 6; "
        "repeated double fp64_contents 7; repeated bytes bytes_contents 8"
    ),
    "InferTensor": f"{_TENSOR}; {_PARAMETERS} 4; InferTensorContents contents 5",
    "InferRequestedOutputTensor": f"string name 1; {_PARAMETERS} 2",
    "ModelInferRequest": (
        f"string model_name 1; string model_version 2; string id 3; {_PARAMETERS} 4; "
        "repeated InferTensor inputs 5; repeated InferRequestedOutputTensor outputs 6; "
        "repeated bytes raw_input_contents 7"
    ),
    "ModelInferResponse": (
        f"string model_name 1; string model_version 2; string id 3; {_PARAMETERS} 4; "
        "repeated InferTensor outputs 5; repeated bytes raw_output_contents 6"
    ),
    "RepositoryIndexRequest": "string repository_name 1; bool ready 2",
    "ModelIndex": "string name 1; string version 2; string state 3; string reason 4",
    "RepositoryIndexResponse": "repeated ModelIndex models 1",
    "RepositoryModelLoadRequest": "string first 1; string second 2",
    "RepositoryModelLoadResponse": "string model_name 1; bool isLoaded 2",
    "RepositoryModelUnloadRequest": "string first 1; string second 2",
    "RepositoryModelUnloadResponse": "string model_name 1; bool isUnloaded 2",
}

MESSAGES = messages(PACKAGE, _MESSAGES)
