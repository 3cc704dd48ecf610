"""`vcenter.gateway.v1.VmSettingsService`: settings of virtual machines that REST cannot change, through vCenter's VIM
API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.calls import Call
from gateway.live.cloud_init import extra_config
from gateway.live.endings import Endings
from gateway.live.messages import Messages
from gateway.live.required import refuse
from gateway.live.screenshots import take_screenshot
from gateway.live.serves import serves
from gateway.live.vim_objects import Opened, finished, machine, not_found, read
from gateway.vim import Data, Ref

__all__ = ["VmSettingsService"]

_MAX_NAME = 80
"""Characters. vCenter refuses longer names."""
_VERSION = "config.changeVersion"
_CLOUD_INIT = {"user_data": "userdata", "metadata": "metadata", "vendor_data": "vendordata"}


class VmSettingsService:
    """Uses vCenter's tasks if the API has them, and returns when they are done. `endings` gets the cleanups after
    calls.
    """

    def __init__(self, message: Messages, vim: Opened, endings: Endings) -> None:
        self._message = message
        self._vim = vim
        self._endings = endings

    @serves("vcenter.gateway.v1.VmSettingsService/RenameVm")
    async def rename_vm(self, call: Call) -> Any:
        """Raises GatewayError."""
        request: Any = call.message
        if len(request.name) > _MAX_NAME:
            raise refuse("name", f"must have at most {_MAX_NAME} characters")
        await self._do(call, machine(request.vm), "Rename_Task", {"newName": request.name})
        return self._message("RenameVmResponse")

    @serves("vcenter.gateway.v1.VmSettingsService/UpdateAnnotation")
    async def update_annotation(self, call: Call) -> Any:
        """Raises GatewayError."""
        request: Any = call.message
        await self._reconfigure(call, annotation=request.annotation)
        return self._message("UpdateAnnotationResponse")

    # Extra configuration.

    @serves("vcenter.gateway.v1.VmSettingsService/GetExtraConfig")
    async def get_extra_config(self, call: Call) -> Any:
        """Raises GatewayError."""
        request: Any = call.message
        values = await read(self._vim(call), machine(request.vm), "config.extraConfig", _VERSION)
        found = {option["key"]: _text(option.get("value")) for option in values.get("config.extraConfig", ())}
        if request.keys:
            found = {key: found[key] for key in request.keys if key in found}
        return self._message("GetExtraConfigResponse", values=found, change_version=values.get(_VERSION))

    @serves("vcenter.gateway.v1.VmSettingsService/UpdateExtraConfig")
    async def update_extra_config(self, call: Call) -> Any:
        """Raises GatewayError."""
        request: Any = call.message
        if not request.values and not request.removed_keys:
            raise refuse("values", "or removed_keys is required")
        for field, keys in (("values", request.values), ("removed_keys", request.removed_keys)):
            if not all(key and key.isprintable() for key in keys):
                raise refuse(field, "must not have a key that is empty or has a control character")
        if any(key in request.values for key in request.removed_keys):
            raise refuse("removed_keys", "must not have a key that is in values")
        await self._set_extra_config(call, {**request.values, **dict.fromkeys(request.removed_keys, "")})
        return self._message("UpdateExtraConfigResponse")

    @serves("vcenter.gateway.v1.VmSettingsService/SetCloudInit")
    async def set_cloud_init(self, call: Call) -> Any:
        """Raises GatewayError."""
        request: Any = call.message
        compress = request.compress if request.HasField("compress") else None
        values: dict[str, str] = {}
        for field, name in _CLOUD_INIT.items():
            if request.HasField(field):
                values |= extra_config(name, getattr(request, field), compress)
        if not values:
            raise refuse("user_data", "or metadata or vendor_data is required")
        await self._set_extra_config(call, values)
        return self._message("SetCloudInitResponse")

    # Boot options.

    @serves("vcenter.gateway.v1.VmSettingsService/GetBootOptions")
    async def get_boot_options(self, call: Call) -> Any:
        """Raises GatewayError."""
        request: Any = call.message
        values = await read(self._vim(call), machine(request.vm), "config.bootOptions", _VERSION)
        secure = values.get("config.bootOptions", {}).get("efiSecureBootEnabled")
        return self._message("GetBootOptionsResponse", secure_boot=secure, change_version=values.get(_VERSION))

    @serves("vcenter.gateway.v1.VmSettingsService/UpdateBootOptions")
    async def update_boot_options(self, call: Call) -> Any:
        """Raises GatewayError."""
        request: Any = call.message
        options = Data("VirtualMachineBootOptions", efiSecureBootEnabled=request.secure_boot)
        await self._reconfigure(call, bootOptions=options)
        return self._message("UpdateBootOptionsResponse")

    # Custom attributes.

    @serves("vcenter.gateway.v1.VmSettingsService/ListCustomAttributes")
    async def list_custom_attributes(self, call: Call) -> Any:
        """Raises GatewayError."""
        _, fields = await self._attributes(call)
        return self._message("ListCustomAttributesResponse", attributes=[self._attribute(field) for field in fields])

    @serves("vcenter.gateway.v1.VmSettingsService/CreateCustomAttribute")
    async def create_custom_attribute(self, call: Call) -> Any:
        """Raises GatewayError."""
        request: Any = call.message
        manager = await self._attribute_manager(call)
        arguments = {"name": request.name, "moType": "VirtualMachine"}
        field = await self._vim(call).call(manager, "AddCustomFieldDef", arguments)
        return self._message("CreateCustomAttributeResponse", attribute=self._attribute(field))

    @serves("vcenter.gateway.v1.VmSettingsService/DeleteCustomAttribute")
    async def delete_custom_attribute(self, call: Call) -> Any:
        """Raises GatewayError."""
        request: Any = call.message
        manager, [key] = await self._keys(call, [request.name])
        await self._vim(call).call(manager, "RemoveCustomFieldDef", {"key": key})
        return self._message("DeleteCustomAttributeResponse")

    @serves("vcenter.gateway.v1.VmSettingsService/SetCustomAttributes")
    async def set_custom_attributes(self, call: Call) -> Any:
        """Raises GatewayError; the values that were set before stay."""
        request: Any = call.message
        values = dict(request.values)
        manager, keys = await self._keys(call, list(values))
        for key, value in zip(keys, values.values(), strict=True):
            arguments = {"entity": machine(request.vm), "key": key, "value": value}
            await self._vim(call).call(manager, "SetField", arguments)
        return self._message("SetCustomAttributesResponse")

    # Type and location of a machine.

    @serves("vcenter.gateway.v1.VmSettingsService/MarkAsTemplate")
    async def mark_as_template(self, call: Call) -> Any:
        """Raises GatewayError."""
        request: Any = call.message
        await self._vim(call).call(machine(request.vm), "MarkAsTemplate")
        return self._message("MarkAsTemplateResponse")

    @serves("vcenter.gateway.v1.VmSettingsService/MarkAsVirtualMachine")
    async def mark_as_virtual_machine(self, call: Call) -> Any:
        """Raises GatewayError."""
        request: Any = call.message
        arguments = {"pool": Ref("ResourcePool", request.resource_pool)}
        if request.host:
            arguments["host"] = Ref("HostSystem", request.host)
        await self._vim(call).call(machine(request.vm), "MarkAsVirtualMachine", arguments)
        return self._message("MarkAsVirtualMachineResponse")

    @serves("vcenter.gateway.v1.VmSettingsService/MoveVm")
    async def move_vm(self, call: Call) -> Any:
        """Raises GatewayError."""
        request: Any = call.message
        arguments = {"list": [machine(request.vm)]}
        task: Ref = await self._vim(call).call(Ref("Folder", request.folder), "MoveIntoFolder_Task", arguments)
        return self._message("MoveVmResponse", task=task.value)

    # The machine's screen and questions.

    @serves("vcenter.gateway.v1.VmSettingsService/AnswerQuestion")
    async def answer_question(self, call: Call) -> Any:
        """Raises GatewayError."""
        request: Any = call.message
        client, vm = self._vim(call), machine(request.vm)
        question = (await read(client, vm, "runtime.question")).get("runtime.question")
        if question is None or request.question not in ("", question["id"]):
            raise not_found(client, vm, f"{request.vm} is not waiting for an answer to this question")
        choices = question["choice"].get("choiceInfo", [])
        if request.choice not in [choice["key"] for choice in choices]:
            raise refuse("choice", "is not among the question's choices")
        await client.call(vm, "AnswerVM", {"questionId": question["id"], "answerChoice": request.choice})
        default = question["choice"].get("defaultIndex")
        told = self._message(
            "VmQuestion",
            id=question["id"],
            text=question["text"],
            choices=[self._message("VmQuestionChoice", key=item["key"], label=item["label"]) for item in choices],
            default_choice=choices[default]["key"] if default is not None and default < len(choices) else None,
        )
        return self._message("AnswerQuestionResponse", question=told)

    @serves("vcenter.gateway.v1.VmSettingsService/TakeScreenshot")
    async def take_screenshot(self, call: Call) -> Any:
        """Raises GatewayError."""
        request: Any = call.message
        taken = await self._endings.whole(take_screenshot(self._vim, call, request.vm))
        return self._message("TakeScreenshotResponse", png=taken.png, left_over=taken.left_over)

    async def _do(self, call: Call, obj: Ref, method: str, arguments: Mapping[str, Any]) -> Any:
        """Starts a task, and returns when it is done. Raises GatewayError."""
        client = self._vim(call)
        task = await client.call(obj, method, arguments)
        return await finished(client, call, task, f"vim.{obj.type}.{method}")

    async def _reconfigure(self, call: Call, **changes: Any) -> None:
        """Changes the configuration of the machine that the request names, if it still has the version that the request
        is meant for. Raises GatewayError."""
        request: Any = call.message
        if request.change_version:
            changes["changeVersion"] = request.change_version
        spec = Data("VirtualMachineConfigSpec", **changes)
        await self._do(call, machine(request.vm), "ReconfigVM_Task", {"spec": spec})

    async def _set_extra_config(self, call: Call, values: Mapping[str, str]) -> None:
        options = [Data("OptionValue", key=key, value=value) for key, value in values.items()]
        await self._reconfigure(call, extraConfig=options)

    async def _attribute_manager(self, call: Call) -> Ref:
        manager: Ref = (await self._vim(call).content())["customFieldsManager"]
        return manager

    async def _attributes(self, call: Call) -> tuple[Ref, list[Data]]:
        """The definitions of the attributes that virtual machines can have."""
        manager = await self._attribute_manager(call)
        fields = (await read(self._vim(call), manager, "field")).get("field", [])
        return manager, [field for field in fields if field.get("managedObjectType") in (None, "VirtualMachine")]

    async def _keys(self, call: Call, names: list[str]) -> tuple[Ref, list[int]]:
        """vCenter's keys of attributes. Raises GatewayError (NOT_FOUND)."""
        manager, fields = await self._attributes(call)
        known = {field["name"]: field["key"] for field in fields}
        for name in names:
            if name not in known:
                raise not_found(self._vim(call), manager, f"virtual machines have no custom attribute {name!r}")
        return manager, [known[name] for name in names]

    def _attribute(self, field: Data) -> Any:
        only = field.get("managedObjectType") == "VirtualMachine"
        return self._message("CustomAttribute", key=field["key"], name=field["name"], vms_only=only)


def _text(value: Any) -> str:
    """A value of the extra configuration, which in practice is always text."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return "" if value is None else str(value)
