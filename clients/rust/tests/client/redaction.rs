use vcenter_gateway_client::vcenter::{
    gateway::v1::{ProgramStart, RunProgramResponse, program_start::Program, run_program_response::Event},
    guest::v1::{CloudinitConfiguration, Domain, DomainType, GuiUnattended, UserData},
    vm::{
        console::v1::{CreateTicketResponse, TicketsSummary},
        guest::v1::{CreateProcessRequest, Credentials, CredentialsType},
    },
};

const SECRET: &str = "VMware1!";

fn secret() -> Option<String> {
    Some(SECRET.to_owned())
}

#[test]
fn secrets_of_messages_are_not_printed() {
    let guest = Credentials {
        password: secret(),
        saml_token: secret(),
        ..Default::default()
    };
    let request = CreateProcessRequest {
        credentials: Some(guest.clone()),
        ..Default::default()
    };
    let user = UserData {
        product_key: secret(),
        ..Default::default()
    };
    let domain = Domain {
        domain_password: secret(),
        ..Default::default()
    };
    let setup = GuiUnattended {
        password: secret(),
        ..Default::default()
    };
    let cloud = CloudinitConfiguration {
        userdata: secret(),
        ..Default::default()
    };
    let ticket = CreateTicketResponse {
        ticket: Some(TicketsSummary { ticket: secret() }),
    };
    let printed = [
        format!("{guest:?}"),
        format!("{request:?}"),
        format!("{:?}", tonic::Request::new(request)),
        format!("{user:?}"),
        format!("{domain:?}"),
        format!("{setup:#?}"),
        format!("{cloud:?}"),
        format!("{ticket:?}"),
    ];
    for text in printed {
        assert!(
            text.contains("Some([redacted])") || text.contains("[redacted],"),
            "{text}"
        );
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[test]
fn the_rest_is_printed_as_ever() {
    let guest = Credentials {
        r#type: Some(CredentialsType::UsernamePassword.into()),
        user_name: Some("root".into()),
        ..Default::default()
    };
    assert_eq!(
        format!("{guest:?}"),
        "Credentials { interactive_session: None, type: Some(UsernamePassword), user_name: Some(\"root\"), \
         password: None, saml_token: None }"
    );
    let domain = Domain {
        r#type: Some(DomainType::Workgroup.into()),
        ..Default::default()
    };
    assert!(format!("{domain:?}").starts_with("Domain { type: Some(Workgroup), workgroup: None"));
}

#[test]
fn secrets_in_oneofs_lists_and_maps_are_not_printed() {
    let start = ProgramStart {
        vm: "vm-1001".into(),
        program: Some(Program::ShellCommand(SECRET.into())),
        arguments: vec![SECRET.into()],
        environment: [("PASSWORD".to_owned(), SECRET.to_owned())].into(),
        ..Default::default()
    };
    let text = format!("{start:?}");
    assert!(!text.contains(SECRET) && !text.contains("PASSWORD"), "{text}");
    assert!(
        text.contains("vm: \"vm-1001\"") && text.contains("environment: [[redacted]]"),
        "{text}"
    );
    assert!(text.contains("program: Some(ShellCommand([redacted]))"), "{text}");
    let start = ProgramStart {
        program: Some(Program::Path("/bin/true".into())),
        ..Default::default()
    };
    assert!(format!("{start:?}").contains("Path(\"/bin/true\")"));
    let message = RunProgramResponse {
        event: Some(Event::Output(SECRET.into())),
    };
    assert_eq!(
        format!("{message:?}"),
        "RunProgramResponse { event: Some(Output([redacted])) }"
    );
}
