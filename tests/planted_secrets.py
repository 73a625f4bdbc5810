"""Made-up secrets of every shape, in texts as they come, and texts that only look like them.

They are put together here from pieces, so that no scanner takes the tests for a leak.
"""

from __future__ import annotations

import json
import random
import string

_random = random.Random(5)
LETTERS = string.ascii_letters + string.digits
HEX = "0123456789abcdef"

# What must be found nowhere: the random part of each secret.
CORES: list[str] = []


def made(length, signs=LETTERS):
    """Return a new random text: with signs that no name has, digits and capitals in its midst."""
    while True:
        core = "".join(_random.choices(signs, k=length))
        digits = sum(each.isdigit() for each in core)
        is_mixed = signs is not LETTERS or any(
            core[at].islower() and core[at + 1].isupper() for at in range(length - 1)
        )
        if is_mixed and digits >= 3 and not core[0].isdigit():
            CORES.append(core)
            return core


def private_key(kind="", escaped=False):
    lines = [f"-----BEGIN {kind}PRIVATE " + "KEY-----", *(made(48) for _ in range(3))]
    lines.append(f"-----END {kind}PRIVATE " + "KEY-----")
    return ("\\n" if escaped else "\n").join(lines)


def by_shape():
    """Return secrets that are known wherever they stand, and in whatever stands around them."""
    return {
        "hugging face": "hf_" + made(34),
        "hugging face organization": "api_org_" + made(34),
        "wandb": "wandb_v1_" + made(40),
        "openai": "sk-" + made(48),
        "openai project": "sk-" + "proj-" + made(60),
        "openai service account": "sk-" + "svcacct-" + made(60),
        "anthropic": "sk-ant-" + "api03-" + made(80),
        "openrouter": "sk-or-" + "v1-" + made(64, HEX),
        "deepseek": "sk-" + made(32, HEX),
        "groq": "gsk_" + made(52),
        "replicate": "r8_" + made(37),
        "nvidia": "nvapi-" + made(64),
        "aws": "AKIA" + made(16, string.ascii_uppercase + string.digits),
        "aws session": "ASIA" + made(16, string.ascii_uppercase + string.digits),
        "github": "ghp_" + made(36),
        "github app": "ghs_" + made(36),
        "github fine": "github_" + "pat_11" + made(60),
        "gitlab": "glpat-" + made(20),
        "slack bot": "xoxb-" + "123456789012-" + made(24),
        "slack user": "xoxp-" + "123456789012-" + made(24),
        "slack app": "xapp-" + "1-A0123456789-" + made(40, HEX),
        "slack hook": "https://hooks.slack.com/services/T0AB1CD2E/B0AB1CD2E/" + made(24),
        "discord hook": "https://discord.com/api/webhooks/123456789012345678/" + made(68),
        "jwt": "eyJ" + f"{made(33)}.eyJ{made(40)}.{made(43)}",
        "google": "AIza" + "Sy" + made(33),
        "npm": "npm_" + made(36),
        "pypi": "pypi-" + made(40),
        "stripe": "sk_live_" + made(24),
        "docker": "dckr_pat_" + made(27),
        "vault": "hvs." + made(28),
        "private key": private_key(),
        "rsa key": private_key("RSA "),
        "openssh key": private_key("OPENSSH "),
        "escaped key": private_key(escaped=True),
    }


def by_name():
    """Return texts with a secret that only its name, or what stands around it, gives away."""
    texts = [
        f"https://user:{made(12)}@host/path",
        f"postgresql+psycopg://me:{made(12)}@db:5432/runs",
        f"redis://:{made(12)}@cache:6379/0",
        f"git clone https://oauth2:{made(16)}@gitlab.com/me/x.git",
        f"origin https://{made(40)}@github.com/me/x.git (fetch)",
        f"AKIA{'IOSFODNN7EXAMPLE'}:{made(40)}",
        f"aws_secret_access_key = {made(40)}",
        f'"SecretAccessKey": "{made(40)}"',
        f"export HF_TOKEN={made(12)}",
        f"WANDB_API_KEY={made(40, HEX)} python train.py",
        f"wandb.login(key='{made(40, HEX)}')",
        f"wandb login {made(40, HEX)}",
        f"wandb: ERROR invalid api key {made(40, HEX)}",
        f"machine api.wandb.ai\n  login user\n  password {made(40, HEX)}",
        f"Authorization: Bearer {made(24)}",
        f"authorization: bearer {made(24)}",
        f"-H 'Authorization: Basic {made(24)}'",
        f"X-Api-Key: {made(12)}",
        f"x-goog-api-key: {made(12)}",
        f"PRIVATE-TOKEN: {made(20)}",
        f"https://host/api?access_token={made(12)}&page=2",
        f"https://host/api?page=2&token={made(24)}",
        f"https://a.blob.core.windows.net/c?sv=2022-11-02&sig={made(43)}%3D&se=2027",
        f"https://b.s3.amazonaws.com/x?X-Amz-Expires=60&X-Amz-Signature={made(64, HEX)}",
        f"Server=db;Uid=me;Pwd={made(12)};",
        f"Server=db;User Id=me;Password={made(12)};Encrypt=yes",
        f"Endpoint=sb://x/;SharedAccessKeyName=a;SharedAccessKey={made(43)}=",
        f"DefaultEndpointsProtocol=https;AccountName=x;AccountKey={made(86)}==;EndpointSuffix=x",
        f"Config(api_key='{made(12)}', retries=3)",
        f"Settings(db_password=SecretStr('{made(12)}'), debug=True)",
        f"Point(x=1, client_secret={made(12)})",
        f"Namespace(hub_token='{made(12)}', lr=0.1)",
        f"{{'headers': {{'x-api-key': b'{made(12)}'}}}}",
        f"[(b'x-api-key', b'{made(12)}'), (b'accept', b'*/*')]",
        f"Command '['mysql', '--password', '{made(12)}']' returned non-zero exit status 1",
        f"train.py --hf-token {made(12)} --lr 0.1",
        f"train.py --token={made(12)} --lr=0.1",
        f"password: '{made(8)} {made(8)}'",
        f"db_password -> {made(12)}",
        f"passphrase = {made(12)}",
        f"def connect(password: str = '{made(12)}'):",
        f"\\x1b[32mHF_TOKEN\\x1b[0m hf_{made(34)}",
        f"line 1\\nhf_{made(34)}\\nline 2",
        f"redirect=https%3A%2F%2Fx%3Ft%3Dhf_{made(34)}",
        f"MLFLOW_TRACKING_TOKEN={made(12)}",
        f"{{'name': 'KAGGLE_KEY', 'KAGGLE_KEY': '{made(32, HEX)}'}}",
    ]
    nested = json.dumps({"password": f'{made(8)} "quoted" {made(8)}', "lr": 1})
    for _ in range(3):
        texts.append(nested)
        nested = json.dumps({"inner": nested})
    account = {"type": "service_account", "private_key_id": made(40, HEX)}
    texts.append(json.dumps({**account, "private_key": private_key(), "client_email": "a@b.c"}))
    return texts


def nested_config():
    """Return a configuration with secrets by their keys, at several depths."""
    return {
        "hub_token": made(12),
        "wandb": {"entity": "team", "api_key": made(12), "key": made(12)},
        "database": {"user": "me", "password": made(8), "hosts": [{"db_pass": made(8)}]},
        "credentials": {"user": made(8), "more": [made(8), 1]},
        "headers": [["Authorization", made(12)], ["accept", "text/html"]],
        "environment": [{"name": "HF_TOKEN", "value": made(12)}, {"name": "LANG", "value": "C"}],
        "command": ["python", "train.py", "--api-key", made(12), f"--password={made(8)}"],
        "key_lines": private_key().split("\n"),
        "storage_options": {"anon": False, "secret": made(40)},
        "camelCase": {"clientSecret": made(12), "accessToken": made(12)},
    }


BY_SHAPE = by_shape()
BY_NAME = by_name()
TEXTS = [*BY_SHAPE.values(), *BY_NAME]
NESTED = nested_config()
OWN_KEY, OWN_PATTERN = made(12), "ACME-" + made(6, string.digits + "x")

HARMLESS = [
    "use_cls_token=True", "num_memory_tokens: 4", "pad_token_id: 128001", "eos_token='</s>'",
    "pad_token: <|endoftext|>", "max_tokens=12345678", "max_new_tokens: 1234567",
    "tokens_per_second: 123456.78", "total_tokens=987654321", "mean_token_accuracy=0.912345",
    "token_type_ids: everything", "image_token: <image_placeholder>", "bos_token_id=151643",
    "unk_token=[UNKNOWN_TOKEN]", "pad_token='reserved_special_token_0'", "audio_token='<|AUDIO|>'",
    "tokenizer_class: LlamaTokenizerFast", "token='supercalifragilistic'", "per token: 0.0123456",
    "{'token': 'internationalization', 'score': 0.5}", "new token: everything",
    "num_key_value_heads: 12345678", "key_value_heads=8", "attention key: query_projection",
    "query_key_value.weight: [768]", "key_padding_mask: torch.bool", "k_proj.weight=0.123456",
    "primary_key: user_identifier", "sort_key: created_at_descending", "cache_key=step_1234_abcdef",
    "keyboard: qwertyuiop", "monkey: bananas_and_more", "secretary: Mrs_Smith_Jones",
    "secretariat: chestnut_horse", "num_secret_layers: 12345", "author: Jane_Doe_123456",
    "passwordless login: configured", "compass: north_by_northwest", "bypass=everything",
    "def f(password: str) -> bool:", "hub_token: None", "keys: ['input_ids', 'labels']",
    'Unexpected key(s) in state_dict: "model.layers.0.weight", "lm_head.weight"',
    "<All keys matched successfully>", "dict_keys(['input_ids', 'attention_mask'])",
    "KeyError: 'input_ids'", "['password', 'email', 'plan']",
    "commit 3f786850e387550fdab836ed7e6dc881de23001b",
    "git checkout 3f786850e387550fdab836ed7e6dc881de23001b",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "d9428888-122b-11e1-b85c-61cd3cbb3210", "20260110-112900-3f2a1b",
    "sk-learn-pipelines-with-transformers", "sk-learn==1.4.0",
    "sk-transformer-base-multilingual-cased", "pip install sk-video-2-python-tools",
    "hf-internal-testing/tiny-random-LlamaForCausalLM", "hf_internal_testing_tiny_random_llama",
    "hf_AutoModelForCausalLM", "hf_LlamaForSequenceClassification",
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAA=",
    "Basic internationalization-support", "Basic preprocessing_pipeline_v2",
    "Bearer of bad news, and its friends", "AKIA is a prefix", "ghp_ prefix", "eyJ alone",
    "ssh://git@github.com/me/repository.git", "git@github.com:me/repository.git",
    "https://huggingface.co/meta-llama/Llama-3.1-8B-Instruct", "http://user@host:8080/x",
    "https://localhost:8080/metrics?key=loss&page=2", "s3://bucket/key/prefix/file.bin",
    "def signature(a, b): sig=0.5", "checkpoint-500/model-00001-of-00004.safetensors",
    "accelerate launch --num_processes 2 train.py --pad_token <pad> --use_cls_token true",
    "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIU\n-----END CERTIFICATE-----",
]  # fmt: skip
HARMLESS_CONFIG = {
    "vocab": {"token": 5, "pass": 6, "password": 7, "▁secret": 8},
    "merges": [["pass", "word"], ["secret", "ary"], ["to", "ken"], ["password", "less"]],
    "special": {"bot_token": "<|bot|>", "id_token": "[ID]", "pad_token": "<pad>", "token": "hello"},
    "use_cls_token": "yes",
    "num_memory_tokens": 4,
    "attention": {"key": "k_proj", "query": "q_proj", "num_key_value_heads": 2},
    "primary_key": "3f786850e387550fdab836ed7e6dc881de23001b",
    "author": "me",
    "columns": ["password", "email", "secretary"],
    "PWD": "/home/me",
    "api_key": None,
}
